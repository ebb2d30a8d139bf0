/** The zod schemas of our YAML files in, JSON Schema (draft 2020-12) for editors out. */
import { z } from 'zod';
import { pipelineSchema } from './load.ts';
import { stages } from './stages/index.ts';

type Json = Record<string, unknown>;

/** A stage may leave out `uses` where its name is its kind; any other name needs it. */
export function pipelineJsonSchema(): Json {
  const schema = z.toJSONSchema(pipelineSchema(stages), { io: 'input' }) as Json;
  const inner = (schema.properties as Record<string, Json>).stages!;
  const options = ((inner.additionalProperties as Json).oneOf ?? (inner.additionalProperties as Json).anyOf) as Json[];
  const properties = stages.map(({ kind, about }, i) => {
    const required = ((options[i]!.required as string[] | undefined) ?? []).filter((key) => key !== 'uses');
    const one = { ...options[i], description: about, required };
    return [kind, required.length === 0 ? { anyOf: [one, { type: 'null' }] } : one];
  });
  inner.properties = Object.fromEntries(properties);
  inner.additionalProperties = { oneOf: options };
  return { title: 'Millrace pipeline', ...schema };
}

/** Of a file that holds one thing. */
export function plainJsonSchema(title: string, schema: z.ZodType): Json {
  return { title, ...(z.toJSONSchema(schema, { io: 'input' }) as Json) };
}
