import { map, type Values } from "../fields.js";

/** The property every taggable resource has, and the output beside it. */
export const tagInput = { tags: map() };
export const tagOutput = { tagsAll: {} };

interface Tag {
  Key: string;
  Value: string;
}

export function tagList(tags: unknown): Tag[] {
  return Object.entries((tags ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
}

/** `tags` and `tagsAll` as they are live; AWS' own (`aws:`) are nobody's business. */
export function liveTags(
  tags: { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): Values {
  const pairs = (tags ?? []).flatMap(({ Key, Value }) =>
    Key === undefined || Key.startsWith("aws:") ? [] : [[Key, Value ?? ""] as const],
  );
  const all = Object.fromEntries(pairs);
  return { ...(pairs.length === 0 ? {} : { tags: all }), tagsAll: all };
}

/** What to add and which keys to take away so that `olds` become `news`. */
export function tagChanges(olds: unknown, news: unknown): { add: Tag[]; remove: string[] } {
  const [before, after] = [(olds ?? {}) as Record<string, string>, (news ?? {}) as Record<string, string>];
  return {
    add: tagList(after).filter(({ Key, Value }) => before[Key] !== Value),
    remove: Object.keys(before).filter((key) => !(key in after)),
  };
}
