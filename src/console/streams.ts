import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { HeadwaterError } from "../model/errors.js";

/** Streams a console has open. */
export class Streams {
  private readonly open = new Set<AbortController>();

  constructor(
    private readonly most: number,
    /** Milliseconds after which a reader that takes nothing is let go. */
    private readonly stuckMs: number,
  ) {}

  get size(): number {
    return this.open.size;
  }

  /** Ends all of them. */
  close(): void {
    for (const controller of this.open) controller.abort();
  }

  /**
   * Sends frames as they come, as fast as the reader takes them: no further frame is asked for before. Ends when the reader goes
   * away, takes nothing for too long, or the console is closed.
   * @throws HeadwaterError `console/too-many-streams`.
   */
  send(
    request: FastifyRequest,
    reply: FastifyReply,
    frames: (signal: AbortSignal) => AsyncGenerator<string, void, undefined>,
  ): FastifyReply {
    if (this.open.size >= this.most) {
      throw new HeadwaterError("console/too-many-streams", "too many streams are open", {
        found: String(this.open.size),
        remedy: "Try again in a moment.",
      });
    }
    const controller = new AbortController();
    this.open.add(controller);
    const { socket } = request.raw;
    // Nothing has moved for a while: with something still to be sent, the reader takes nothing.
    const stuck = (): void => {
      if (socket.writableLength > 0) socket.destroy();
      else socket.setTimeout(this.stuckMs);
    };
    const body = Readable.from(frames(controller.signal), { objectMode: false, highWaterMark: 16_384 });
    const over = (): void => {
      controller.abort();
      this.open.delete(controller);
      socket.off("timeout", stuck);
      socket.setTimeout(0);
      body.destroy();
    };
    reply.raw.once("close", over);
    body.once("close", () => this.open.delete(controller));
    socket.setTimeout(this.stuckMs);
    socket.on("timeout", stuck);
    return reply
      .header("content-type", "text/event-stream; charset=utf-8")
      .header("cache-control", "no-store")
      .header("x-accel-buffering", "no")
      .send(body);
  }
}
