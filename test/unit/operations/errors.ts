import { expect } from "chai";
import { HeadwaterError } from "../../../src/model/errors.js";

/** The HeadwaterError a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<HeadwaterError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error, "no HeadwaterError").to.be.instanceOf(HeadwaterError);
  return error as HeadwaterError;
}
