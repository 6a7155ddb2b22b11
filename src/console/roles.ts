/** What people may be allowed; see `Person.roles`. */
export const ROLES = ["viewer", "operator", "approver"] as const;
