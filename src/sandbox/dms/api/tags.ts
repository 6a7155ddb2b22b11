import type { Context } from "../context.js";
import { badValue, notFound } from "../faults.js";
import { checkInput, required, texts, type Input } from "../parameters.js";

export function addTagsToResource(context: Context, input: Input): object {
  checkInput(input, { ResourceArn: "text!", Tags: "objects!" });
  const arn = required(input, "ResourceArn");
  Object.assign(tagsAt(context, arn), tagsOf(input));
  context.resources.save();
  return {};
}

export function removeTagsFromResource(context: Context, input: Input): object {
  checkInput(input, { ResourceArn: "text!", TagKeys: "texts!" });
  const tags = tagsAt(context, required(input, "ResourceArn"));
  for (const key of texts(input, "TagKeys") ?? []) delete tags[key];
  context.resources.save();
  return {};
}

export function listTagsForResource(context: Context, input: Input): object {
  checkInput(input, { ResourceArn: "text", ResourceArnList: "texts" });
  const arns = [input["ResourceArn"] ?? [], texts(input, "ResourceArnList") ?? []].flat() as string[];
  if (arns.length === 0) throw badValue("ResourceArn or ResourceArnList must be provided");
  return {
    TagList: arns.flatMap((arn) =>
      Object.entries(tagsAt(context, arn)).map(([Key, Value]) => ({ Key, Value, ResourceArn: arn })),
    ),
  };
}

/** The Tags of a request as an object. Limits: Tag in the API reference. */
export function tagsOf(input: Input): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const { Key, Value } of (input["Tags"] ?? []) as { Key?: unknown; Value?: unknown }[]) {
    if (typeof Key !== "string" || Key === "" || Key.length > 128 || /^aws:|^dms:/.test(Key)) {
      throw badValue(
        `A tag's Key must have 1 to 128 characters and not begin with aws: or dms:, but is ${JSON.stringify(Key)}`,
      );
    }
    tags[Key] = typeof Value === "string" ? Value : "";
  }
  return tags;
}

function tagsAt({ resources }: Context, arn: string): Record<string, string> {
  const tags = resources.value.tags[arn];
  if (tags === undefined) throw notFound(`Resource ${arn} not found`);
  return tags;
}
