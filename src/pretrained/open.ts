/**
 * A folder in (Hugging Face's, a checkpoint of ours, or a run, whose newest checkpoint counts), the model, its weights,
 * its tokenizer's path and what its tokens are for out.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { MillraceError } from '../errors.ts';
import { buildModel, type Model, type ModelConfig } from '../model/index.ts';
import { listCheckpoints } from '../train/checkpoint.ts';
import { readConfig, readRoles, type TokenRoles } from './config.ts';
import { Weights } from './weights.ts';

export interface Pretrained {
  /** The folder that holds the weights. */
  folder: string;
  config: ModelConfig;
  model: Model;
  roles: TokenRoles;
  /** Names of the classes, where it classifies. */
  labels?: string[];
  /** The folder or file of the tokenizer, where there is one. */
  tokenizer?: string;
  /** Jinja text that turns messages into a prompt. */
  chatTemplate?: string;
  /** Close it when the weights are read. */
  weights: Weights;
}

export interface OpenOptions {
  /** A run, a checkpoint or a Hugging Face folder. */
  path: string;
  /** A tokenizer.json or its folder, in place of the one that is found. */
  vocab?: string | undefined;
}

/** @throws `input` or `corrupt` naming the file and the key or tensor. */
export async function openPretrained({ path, vocab }: OpenOptions): Promise<Pretrained> {
  const folder = await locate(path);
  const { json, source } = await modelConfig(folder);
  const { config, lora, labels } = readConfig(json, source);
  const generation = await readJson(join(folder, 'generation_config.json'));
  const model = buildModel(config);
  const tokenizer = vocab ?? (await findTokenizer(folder, json));
  const chatTemplate = await findTemplate(folder);
  return {
    folder,
    config,
    model,
    roles: readRoles(json, generation, source),
    ...(labels && { labels }),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    weights: await Weights.open(folder, lora && { ...lora, family: config.family }),
  };
}

/** The folder with the weights: the path itself, its newest checkpoint, or its export. */
async function locate(path: string): Promise<string> {
  const folder = resolve(path);
  const entries = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    const missing = cause.code === 'ENOENT';
    throw new MillraceError('input', missing ? `there is no folder ${path}` : `can't read ${path}: ${cause.message}`, {
      hint: 'name a run, a checkpoint, or a folder with config.json and model.safetensors',
      cause,
    });
  });
  if (entries.some((entry) => /^model\.safetensors(\.index\.json)?$/.test(entry))) return folder;
  const [newest] = await listCheckpoints(entries.includes('checkpoints') ? join(folder, 'checkpoints') : folder);
  if (newest) return newest.path;
  const pickled = entries.find((entry) => /\.(bin|pt|pth|ckpt|h5|msgpack)$/.test(entry));
  throw new MillraceError('input', `${path} holds no model.safetensors and no checkpoints`, {
    hint: pickled
      ? `${pickled} is not read, since loading it could run code: save the model with safetensors`
      : 'name a run, a checkpoint, or a folder with config.json and model.safetensors',
  });
}

/** config.json beside the weights or in the run; else `model` of the run's config.yaml. */
async function modelConfig(folder: string): Promise<{ json: Record<string, unknown>; source: string }> {
  for (const place of [folder, runOf(folder)]) {
    if (place === undefined) continue;
    const path = join(place, 'config.json');
    const json = await readJson(path);
    if (json !== undefined) return { json: json as Record<string, unknown>, source: path };
    const yaml = join(place, 'config.yaml');
    const text = await readFile(yaml, 'utf8').catch(() => undefined);
    const model = text === undefined ? undefined : (parseYaml(text) as { model?: unknown } | null)?.model;
    if (model !== undefined) return { json: model as Record<string, unknown>, source: `${yaml} (model)` };
  }
  throw new MillraceError('input', `${folder} has no config.json`, {
    hint: 'the weights alone do not say what model they are of',
  });
}

/** The run that a checkpoint folder is of. */
function runOf(folder: string): string | undefined {
  const parent = dirname(folder);
  return basename(parent) === 'checkpoints' ? dirname(parent) : undefined;
}

async function findTokenizer(folder: string, json: Record<string, unknown>): Promise<string | undefined> {
  for (const place of [folder, runOf(folder)]) {
    if (place === undefined) continue;
    const path = join(place, 'tokenizer.json');
    if (await exists(path)) return path;
    const text = await readFile(join(place, 'config.yaml'), 'utf8').catch(() => undefined);
    const vocab = text === undefined ? undefined : vocabOf(parseYaml(text));
    if (vocab !== undefined) return resolve(place, vocab);
  }
  return typeof json.vocab === 'string' ? resolve(folder, json.vocab) : undefined;
}

function vocabOf(yaml: unknown): string | undefined {
  const { vocab, data } = (yaml ?? {}) as { vocab?: unknown; data?: { vocab?: unknown } };
  const named = vocab ?? data?.vocab;
  return typeof named === 'string' ? named : undefined;
}

/** chat_template.jinja, or the key of tokenizer_config.json. */
async function findTemplate(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined);
  if (text !== undefined) return text;
  const json = (await readJson(join(folder, 'tokenizer_config.json'))) as { chat_template?: unknown } | undefined;
  return typeof json?.chat_template === 'string' ? json.chat_template : undefined;
}

/** Undefined where there is no such file. */
async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new MillraceError('input', `can't read ${path}: ${cause.message}`, { cause });
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError('input', `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
