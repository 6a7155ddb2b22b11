import type { Expression } from "./expressions.js";
import type { Locator, TableMappings } from "./mappings.js";
import { matches } from "./patterns.js";

export interface PlannedTable {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly PlannedColumn[];
}

export interface PlannedColumn {
  readonly name: string;
  /** Part of the primary key. */
  readonly key: boolean;
  readonly lob: boolean;
}

/** What one source table becomes at the target, by the transformation rules. */
export interface TablePlan {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly { readonly source: string; readonly name: string }[];
  readonly added: readonly {
    readonly name: string;
    readonly expression: Expression;
    readonly type: "string" | "datetime";
  }[];
  readonly beforeImages: readonly { readonly source: string; readonly name: string }[];
}

/**
 * Applies the transformation rules in the order they are written. Locators name source objects.
 * Before-image columns are named after the target's column. Throws an Error when two columns end up with one name
 * or an expression names a column the table lacks.
 */
export function planTable(mappings: TableMappings, source: PlannedTable): TablePlan {
  let { schema, table } = source;
  const names = new Map(source.columns.map(({ name }) => [name, name]));
  const added: TablePlan["added"][number][] = [];
  const images: { prefix: string; suffix: string; column: PlannedColumn }[] = [];
  const here = ({ schema, table }: Locator): boolean =>
    matches(schema, source.schema) && matches(table, source.table);
  const rename = (
    rule: { target: "schema" | "table" | "column"; at: Locator },
    to: (name: string) => string,
  ): void => {
    if (rule.target === "schema") schema = to(schema);
    else if (rule.target === "table") table = to(table);
    else {
      for (const [column, name] of names) if (matches(rule.at.column, column)) names.set(column, to(name));
    }
  };
  for (const rule of mappings.transformations) {
    // A rule for schemas has no table in its locator; the default % covers it.
    if (!here(rule.at)) continue;
    if (rule.action === "rename") rename(rule, () => rule.value);
    else if (rule.action === "convert-lowercase") rename(rule, (name) => name.toLowerCase());
    else if (rule.action === "convert-uppercase") rename(rule, (name) => name.toUpperCase());
    else if (rule.action === "remove-column") {
      for (const column of names.keys()) if (matches(rule.at.column, column)) names.delete(column);
    } else if (rule.action === "add-column") {
      added.push({ name: rule.value, expression: rule.expression, type: rule.type });
    } else if (rule.action === "add-before-image-columns") {
      for (const column of source.columns) {
        const wanted = rule.filter === "all" || (rule.filter === "pk-only" ? column.key : !column.lob);
        if (wanted) images.push({ prefix: rule.prefix, suffix: rule.suffix, column });
      }
    }
  }
  const columns = [...names].map(([column, name]) => ({ source: column, name }));
  const beforeImages = images.map(({ prefix, suffix, column }) => ({
    source: column.name,
    name: `${prefix}${names.get(column.name) ?? column.name}${suffix}`,
  }));
  const plan = { schema, table, columns, added, beforeImages };
  check(plan, source);
  return plan;
}

function check(plan: TablePlan, source: PlannedTable): void {
  const where = `table ${source.schema}.${source.table}`;
  const seen = new Set<string>();
  for (const { name } of [...plan.columns, ...plan.added, ...plan.beforeImages]) {
    if (seen.has(name))
      throw new Error(`${where}: two columns are named ${name} after the transformation rules`);
    seen.add(name);
  }
  for (const { name, expression } of plan.added) {
    for (const term of expression) {
      if (term.kind === "column" && !source.columns.some((column) => column.name === term.column)) {
        throw new Error(
          `${where}: the expression of the added column ${name} names the unknown column ${term.column}`,
        );
      }
    }
  }
}
