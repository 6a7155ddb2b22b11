import { expect } from "chai";
import fc from "fast-check";
import { Batch, rowsOf, type Captured } from "../../../src/sandbox/dms/batch.js";
import { Fault } from "../../../src/sandbox/dms/faults.js";
import { page } from "../../../src/sandbox/dms/paging.js";
import { ChangeSequence, formatChangeNumber } from "../../../src/sandbox/dms/sequence.js";
import { formatLsn, parseLsn } from "../../../src/sandbox/dms/source/lsn.js";
import type { LoggedChange, Relation } from "../../../src/sandbox/dms/source/stream.js";

const relation = (columns: string[]): Relation =>
  ({
    schema: "shop",
    name: "t",
    columns: columns.map((name) => ({ name, typeOid: 23, typeMod: -1 })),
  }) as unknown as Relation;
const captured = (change: Captured["change"]): Captured => ({
  change,
  number: { time: 1_767_323_045_678_901n, counter: 8n },
  commitMicros: 1_767_323_045_678_901n,
  end: 0x1_0000_0000n,
});

describe("DMS change events", () => {
  it("change sequences have 35 digits and rise, whatever the commit times do", () => {
    const times = fc.array(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }), { minLength: 2 });
    fc.assert(
      fc.property(times, (commits) => {
        const sequence = new ChangeSequence();
        const texts = commits.map((commit) => formatChangeNumber(sequence.next(commit)));
        expect(texts.every((text) => /^\d{35}$/.test(text))).to.equal(true);
        expect([...texts].sort()).to.deep.equal(texts);
        expect(new Set(texts).size).to.equal(texts.length);
      }),
    );
  });

  it("a sequence that goes on from its state numbers as before", () => {
    const first = new ChangeSequence();
    first.next(5_000_000n);
    const second = new ChangeSequence(first.state());
    expect(formatChangeNumber(second.next(4_000_000n))).to.equal(formatChangeNumber(first.next(4_000_000n)));
  });

  it("an update is one U with the after image; its before image is the key when nothing else is known", () => {
    const change = {
      op: "U",
      relation: relation(["id", "v"]),
      after: { id: "1", v: "b" },
      before: undefined,
    } as const;
    const [row, ...others] = rowsOf(captured(change), ["id"], "update");
    expect(others).to.deep.equal([]);
    expect(row).to.deep.include({ op: "U", image: { id: "1", v: "b" }, before: { id: "1" } });
    expect(row?.position).to.equal("00000001/00000000");
  });

  it("a changed key is one U or D and I, by option; the D comes first", () => {
    const change = { op: "U", relation: relation(["id"]), after: { id: "2" }, before: { id: "1" } } as const;
    expect(rowsOf(captured(change), ["id"], "update").map(({ op }) => op)).to.deep.equal(["U"]);
    const rows = rowsOf(captured(change), ["id"], "deleteInsert");
    expect(rows.map(({ op, image, before }) => ({ op, image, before }))).to.deep.equal([
      { op: "D", image: { id: "1" }, before: { id: "1" } },
      { op: "I", image: { id: "2" }, before: undefined },
    ]);
    expect((rows[0]?.changeSeq ?? "") < (rows[1]?.changeSeq ?? "")).to.equal(true);
    const same = { ...change, after: { id: "1" } };
    expect(rowsOf(captured(same), ["id"], "deleteInsert").map(({ op }) => op)).to.deep.equal(["U"]);
  });

  it("a batch splits a table's changes where its columns change, and at a TRUNCATE", () => {
    const insert = (columns: string[]): LoggedChange => ({
      op: "I",
      relation: relation(columns),
      after: { id: "1" },
    });
    const batch = new Batch();
    const changes: LoggedChange[] = [
      ...[insert(["id"]), insert(["id"]), insert(["id", "v"])],
      ...[{ op: "truncate", relation: relation(["id", "v"]) } as const, insert(["id", "v"])],
    ];
    batch.add({ xid: 1, end: 10n, commitMicros: 1n, changes }, new ChangeSequence());
    const [table] = [...batch.tables.values()];
    expect(
      table?.parts.map((part) => (part.kind === "changes" ? part.changes.length : part.kind)),
    ).to.deep.equal([2, 1, "truncate", 1]);
    expect(batch.last?.end).to.equal(10n);
  });

  it("positions in the log read back as written", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (lsn) => {
        expect(parseLsn(formatLsn(lsn))).to.equal(lsn);
      }),
    );
    expect(parseLsn("16/B374D848")).to.equal(0x16b374d848n);
    expect(() => parseLsn("16")).to.throw("no position");
  });
});

describe("DMS pages", () => {
  const items = Array.from({ length: 45 }, (_, index) => ({
    id: String(index),
    even: String(index % 2 === 0),
  }));
  const filters = { id: (item: { id: string }) => item.id, even: (item: { even: string }) => item.even };

  it("markers lead through all items once", () => {
    const seen: string[] = [];
    for (let Marker: string | undefined; ;) {
      const found = page({ MaxRecords: 20, Marker }, items, filters);
      seen.push(...found.items.map(({ id }) => id));
      Marker = found.Marker;
      if (Marker === undefined) break;
    }
    expect(seen).to.deep.equal(items.map(({ id }) => id));
  });

  it("filters add up, their values are alternatives", () => {
    const Filters = [
      { Name: "id", Values: ["1", "2", "4"] },
      { Name: "even", Values: ["true"] },
    ];
    expect(page({ Filters }, items, filters).items.map(({ id }) => id)).to.deep.equal(["2", "4"]);
  });

  it("refuses unknown filters, sizes and markers, and says what was not found", () => {
    const fault = (input: object, whenNoneMatch?: string): string => {
      try {
        page(
          input as Record<string, unknown>,
          items,
          filters,
          whenNoneMatch === undefined ? {} : { whenNoneMatch },
        );
      } catch (error) {
        return `${(error as Fault).type}: ${(error as Fault).message}`;
      }
      return "nothing";
    };
    expect(fault({ Filters: [{ Name: "colour", Values: ["x"] }] })).to.equal(
      'InvalidParameterValueException: Filter "colour" is not one of id, even',
    );
    expect(fault({ MaxRecords: 5 })).to.include("takes 20 to 100");
    expect(fault({ Marker: "x" })).to.include("Marker");
    expect(fault({ Filters: [{ Name: "id", Values: ["x"] }] }, "none found")).to.equal(
      "ResourceNotFoundFault: none found",
    );
    expect(fault({ Filters: [{ Name: "id", Values: ["x"] }] })).to.equal("nothing");
  });
});
