import { expect } from "chai";
import { HeadwaterError } from "../../../src/model/errors.js";
import { retryTransient, transienceOf, type Retry } from "../../../src/operations/transient.js";
import { errorOf } from "./errors.js";
import { FakeClock } from "./fake-server.js";

const BUSY =
  "OperationAborted: A conflicting conditional operation is currently in progress against this resource. Please try again.";
const policy = "urn:pulumi:shop-dev::headwater::aws:s3/bucketPolicy:BucketPolicy::landing";

describe("retryTransient", () => {
  it("does it again until it works, waiting twice as long each time up to a bound, and tells of each try", async () => {
    const clock = new FakeClock();
    const told: Retry[] = [];
    const value = await retryTransient(
      async (attempt) => {
        if (attempt < 5) throw new Error(`${attempt}: ${BUSY}`);
        return attempt;
      },
      { clock, delayMs: 100, maxDelayMs: 300, onRetry: (retry) => told.push(retry) },
    );
    expect(value).to.equal(5);
    expect(clock.sleeps).to.deep.equal([100, 200, 300, 300]);
    expect(told.map(({ attempt, attempts, waitMs }) => ({ attempt, attempts, waitMs }))[1]).to.deep.equal(
      { attempt: 2, attempts: 5, waitMs: 200 }, // prettier-ignore
    );
    expect(told[1]!.transience).to.deep.include({ name: "bucket-busy", message: `2: ${BUSY}` });
  });

  it("gives up after the last try with that try's error in the message and as cause", async () => {
    const clock = new FakeClock();
    let tries = 0;
    let last: Error | undefined;
    const error = await errorOf(
      retryTransient(
        async () => {
          throw (last = new Error(`try ${++tries}: ${BUSY}`));
        },
        { clock, attempts: 3, what: "up of stack shop-dev" },
      ),
    );
    expect(tries).to.equal(3);
    expect(error.code).to.equal("operations/gave-up");
    expect(error.message)
      .to.contain("up of stack shop-dev still failed after 3 tries")
      .and.to.contain(`try 3: ${BUSY}`);
    expect(error.details.field).to.equal("bucket-busy");
    expect(error.cause).to.equal(last);
  });

  it("throws anything else as it came, at once, also after tries that might have passed", async () => {
    const clock = new FakeClock();
    const final = new Error("EntityAlreadyExists: Role with name x already exists.");
    const thrown = await retryTransient(
      async (attempt) => {
        throw attempt === 1 ? new Error(BUSY) : final;
      },
      { clock },
    ).catch((error: unknown) => error);
    expect(thrown).to.equal(final);
    expect(clock.sleeps).to.have.length(1);
  });

  it("stops waiting when cancelled, and tells the last error", async () => {
    const cancel = new AbortController();
    const error = await errorOf(
      retryTransient(
        async () => {
          throw new Error(BUSY);
        },
        {
          delayMs: 60_000,
          signal: cancel.signal,
          onRetry: () => setTimeout(() => cancel.abort(new Error("enough")), 10),
        },
      ),
    );
    expect(error.code).to.equal("operations/cancelled");
    expect(error.message).to.contain(BUSY);
    expect((error.cause as Error).message).to.equal("enough");
  });

  it("judges the engine's error by all its diagnostics, the SDKs' by their name and message", () => {
    const engine = (...messages: string[]) =>
      Object.assign(new HeadwaterError("driver/resource-failed", "up failed"), {
        diagnostics: messages.map((message) => ({ urn: policy, message })),
      });
    expect(transienceOf(engine(BUSY))?.name).to.equal("bucket-busy");
    expect(transienceOf(engine(BUSY, "something else"))).to.equal(undefined);
    const sdk = Object.assign(new Error("Invalid principal in policy"), { name: "MalformedPolicy" });
    expect(transienceOf(sdk)?.name).to.equal("bucket-policy-principal-unknown");
    expect(transienceOf("nothing known")).to.equal(undefined);
    expect(transienceOf(undefined)).to.equal(undefined);
  });
});
