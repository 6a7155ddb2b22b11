export type { Gate, GateContext, LastUpdate, Override, Proof } from "./gate.js";
export { lakehousePolicies, type PolicyLimits } from "./policies.js";
export {
  explained,
  keepsData,
  maxChanges,
  noDrift,
  noForceDestroy,
  notFrozen,
  policyGate,
  proven,
  released,
  standardGates,
  type Policy,
} from "./standard.js";
