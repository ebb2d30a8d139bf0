/**
 * A config.json of Hugging Face in (transformers 4 or 5; BERT, GPT-2, LLaMA, Marian) or one of our own families, the
 * model's config and the roles of its tokens out. The way back is in ../export/huggingface.ts.
 */
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import { familySchemas, type LoraConfig, type ModelConfig } from '../model/index.ts';
import { id, loraSchema, size } from '../model/schema.ts';

/** What single tokens are for, as config.json and generation_config.json say. */
export interface TokenRoles {
  bos?: number;
  eos?: number[];
  pad?: number;
  /** The first token of the decoder in encoder-decoders. */
  decoderStart?: number;
}

const roles = z.object({
  bos_token_id: id.nullish(),
  eos_token_id: z.union([id, z.array(id)]).nullish(),
  pad_token_id: id.nullish(),
  decoder_start_token_id: id.nullish(),
});

const labels = z.object({
  num_labels: size.optional(),
  id2label: z.record(z.string(), z.string()).optional(),
});

const { llama, gpt, bert, marian, transformer } = familySchemas;

/** Families by the `model_type` of Hugging Face, or by their own name. */
const FAMILIES: Record<string, { family: ModelConfig['family']; schema: z.ZodObject }> = {
  llama: { family: 'llama', schema: llama },
  gpt2: { family: 'gpt', schema: gpt },
  gpt: { family: 'gpt', schema: gpt },
  bert: { family: 'bert', schema: bert },
  marian: { family: 'marian', schema: marian },
  transformer: { family: 'transformer', schema: transformer },
};

/** What the last layer is for, by the class that wrote the folder. */
const HEADS: Record<string, string> = {
  BertForPreTraining: 'pretraining',
  BertForMaskedLM: 'maskedlm',
  BertForSequenceClassification: 'classify',
  GPT2LMHeadModel: 'lm',
  GPT2ForSequenceClassification: 'classify',
};

/** Keys whose other values change the model into one that we don't build. */
const REFUSED: [key: string, wrong: (value: unknown) => boolean][] = [
  ['is_decoder', (value) => value === true],
  ['add_cross_attention', (value) => value === true],
  ['quantization_config', (value) => value !== null && value !== undefined],
];

const adapted = z.object({ lora: loraSchema.optional() });

export interface ReadConfig {
  /** Of the model without LoRA: its weights are merged as they are read. */
  config: ModelConfig;
  lora?: LoraConfig;
  /** Names of the classes, where it classifies. */
  labels?: string[];
}

/** `path` is the name in messages. @throws `input` naming the key. */
export function readConfig(json: unknown, path: string): ReadConfig {
  const refuse = (message: string, hint?: string) =>
    new MillraceError('input', `${path}: ${message}`, hint === undefined ? {} : { hint });
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw refuse('it holds no JSON object');
  const given = json as Record<string, unknown>;
  const kind = given.family ?? given.model_type;
  const found = typeof kind === 'string' && Object.hasOwn(FAMILIES, kind) ? FAMILIES[kind] : undefined;
  if (!found) {
    throw refuse(
      kind === undefined ? 'it has no model_type' : `the model_type ${JSON.stringify(kind)} is not one that we build`,
      `model_type is one of ${Object.keys(FAMILIES).join(', ')}`,
    );
  }
  for (const [key, wrong] of REFUSED)
    if (wrong(given[key])) throw refuse(`${key} ${JSON.stringify(given[key])} is not supported`);
  const config = parse(found.schema, given, path);
  const { lora } = parse(adapted, given, path) as { lora?: LoraConfig };
  const { num_labels, id2label } = parse(labels, given, path) as z.output<typeof labels>;
  const architecture = Array.isArray(given.architectures) ? String(given.architectures[0]) : undefined;
  const head = given.head ?? (architecture && Object.hasOwn(HEADS, architecture) ? HEADS[architecture] : undefined);
  const classes = num_labels ?? (id2label && Object.keys(id2label).length);
  const names = id2label && Array.from({ length: classes ?? 0 }, (_, i) => id2label[i] ?? `LABEL_${i}`);
  return {
    config: {
      family: found.family,
      ...config,
      ...(head !== undefined && { head }),
      ...(head === 'classify' && { num_labels: classes ?? 2 }),
    } as ModelConfig,
    ...(lora && { lora }),
    ...(head === 'classify' && names && { labels: names }),
  };
}

/** The roles of tokens; what generation_config.json says goes before config.json. */
export function readRoles(config: unknown, generation: unknown, path: string): TokenRoles {
  const given = [config, generation].map(
    (json) => parse(roles, (json ?? {}) as object, path) as z.output<typeof roles>,
  );
  const pick = <K extends keyof z.output<typeof roles>>(key: K) => given[1]![key] ?? given[0]![key] ?? undefined;
  const { start, eos: end, pad: padding } = config as { start?: number; eos?: number; pad?: number };
  const [bos, eos, pad, first] = [
    pick('bos_token_id'),
    pick('eos_token_id') ?? end,
    pick('pad_token_id') ?? padding,
    pick('decoder_start_token_id') ?? start,
  ];
  return {
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos: Array.isArray(eos) ? eos : [eos] }),
    ...(pad !== undefined && { pad }),
    ...(first !== undefined && { decoderStart: first }),
  };
}

function parse(schema: z.ZodType, given: object, path: string): Record<string, unknown> {
  const result = schema.safeParse(given);
  if (result.success) return result.data as Record<string, unknown>;
  const issue = result.error.issues[0]!;
  const key = issue.path.join('.');
  const value = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)?.[part], given);
  const what = value === undefined ? 'is missing' : `makes no sense: ${JSON.stringify(value)?.slice(0, 60)}`;
  throw new MillraceError('input', `${path}: ${key} ${what} (${issue.message})`, {
    hint: 'the folder is damaged, or of a model that we do not know',
  });
}
