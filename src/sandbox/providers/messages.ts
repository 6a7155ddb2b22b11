import proto, {
  type CheckFailure,
  type CheckResponse,
  type DiffResponse,
} from "@pulumi/pulumi/proto/provider_pb.js";
import type { Failure } from "./check.js";
import type { Difference } from "./diff.js";
import type { Values } from "./fields.js";
import { encode } from "./wire.js";

/** The answer to a check of a resource or of the provider itself. */
export function checked(inputs: Values, failures: Failure[]): CheckResponse {
  const response = new proto.CheckResponse();
  response.setInputs(encode(inputs, new Set(), inputs));
  response.setFailuresList(failures.map(checkFailure));
  return response;
}

export function checkFailure({ property, reason }: Failure): CheckFailure {
  const failure = new proto.CheckFailure();
  failure.setProperty(property);
  failure.setReason(reason);
  return failure;
}

export function diffResponse({ changes, changed, replaces, deleteBeforeReplace }: Difference): DiffResponse {
  const response = new proto.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
  response.setChanges(changes.size === 0 ? DIFF_NONE : DIFF_SOME);
  response.setDiffsList([...changed]);
  response.setHasdetaileddiff(true);
  const kinds = proto.PropertyDiff.Kind;
  for (const [path, change] of changes) {
    const detail = new proto.PropertyDiff();
    const [plain, replacing] = {
      add: [kinds.ADD, kinds.ADD_REPLACE],
      delete: [kinds.DELETE, kinds.DELETE_REPLACE],
      update: [kinds.UPDATE, kinds.UPDATE_REPLACE],
    }[change.kind];
    detail.setKind(change.replaces ? replacing! : plain!);
    detail.setInputdiff(true);
    response.getDetaileddiffMap().set(path, detail);
  }
  if (replaces) {
    const roots = [...changes]
      .filter(([, change]) => change.replaces)
      .map(([path]) => /^[^.[]*/.exec(path)![0]);
    response.setReplacesList([...new Set(roots)]);
  }
  response.setDeletebeforereplace(deleteBeforeReplace);
  return response;
}
