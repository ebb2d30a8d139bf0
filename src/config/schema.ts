/** A zod schema and a path in, the keys that are known there out. */
import type { z } from 'zod';

type Path = (string | number)[];
interface Def {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  in?: z.ZodType;
  element?: z.ZodType;
  valueType?: z.ZodType;
  options?: z.ZodType[];
  left?: z.ZodType;
  right?: z.ZodType;
  getter?: () => z.ZodType;
  discriminator?: string;
  values?: unknown[];
}

const def = (schema: z.ZodType) => schema._zod.def as unknown as Def;

/** In a discriminated union only the branch that the given value chose counts. */
export function keysAt(schema: z.ZodType, path: Path, given: unknown): string[] {
  const objects = open(schema, given);
  const [first, ...rest] = path;
  if (first === undefined) return [...new Set(objects.flatMap((object) => Object.keys(def(object).shape ?? {})))];
  const inner = (given as Record<string | number, unknown> | undefined)?.[first];
  return objects
    .flatMap((object) => {
      const { shape, element, valueType } = def(object);
      return shape?.[first] ?? element ?? valueType ?? [];
    })
    .flatMap((child) => keysAt(child, rest, inner));
}

/** Unwraps optional, default, pipe and so on, down to objects, records and arrays; unions give several. */
function open(schema: z.ZodType, given: unknown): z.ZodType[] {
  const { type, innerType, in: input, options, left, right, getter, discriminator } = def(schema);
  if (type === 'object' || type === 'record' || type === 'array') return [schema];
  if (type === 'lazy' && getter) return open(getter(), given);
  if (innerType) return open(innerType, given);
  if (input) return open(input, given);
  if (left && right) return [...open(left, given), ...open(right, given)];
  if (!options) return [];
  const all = options.flatMap((option) => open(option, given));
  if (!discriminator) return all;
  const chosen = (given as Record<string, unknown> | undefined)?.[discriminator];
  const fitting = all.filter((option) => {
    const tag = def(option).shape?.[discriminator];
    return tag && def(tag).values?.includes(chosen);
  });
  return fitting.length > 0 ? fitting : all;
}
