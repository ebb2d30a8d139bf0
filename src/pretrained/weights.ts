/**
 * The weights of a folder in (model.safetensors, or shards and their index), tensors by the model's own names out, each
 * checked for its shape and for values that are no numbers before anything is computed with it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nearest } from '../config/nearest.ts';
import { MillraceError } from '../errors.ts';
import { isAdapter, type LoraConfig, type Parameter } from '../model/index.ts';
import { Safetensors, type TensorInfo } from '../train/safetensors.ts';
import { type Adapter, adapterOf, isTransposed, layerOf, merge } from './lora.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

export type StoredLora = LoraConfig & { family: string };

export class Weights {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  private readonly files: ReadonlyMap<string, Safetensors>;
  private readonly folder: string;
  private readonly lora: StoredLora | undefined;

  private constructor(folder: string, files: ReadonlyMap<string, Safetensors>, lora: StoredLora | undefined) {
    this.folder = folder;
    this.lora = lora;
    this.files = files;
    this.tensors = new Map([...files].map(([name, file]) => [name, file.info(name)]));
  }

  /** @throws `input` or `corrupt` naming the file, and the tensor where it is one's fault. */
  static async open(folder: string, lora?: StoredLora): Promise<Weights> {
    const index = await readFile(join(folder, INDEX), 'utf8').catch(() => undefined);
    const names = index === undefined ? [SINGLE] : [...new Set(readIndex(index, join(folder, INDEX)).values())];
    const opened: Safetensors[] = [];
    try {
      const files = new Map<string, Safetensors>();
      for (const name of names) {
        const file = await Safetensors.open(join(folder, name));
        opened.push(file);
        for (const tensor of file.tensors.keys()) {
          if (files.has(tensor)) throw damaged(folder, `the tensor ${tensor} is in two of its files`);
          files.set(tensor, file);
        }
      }
      if (index !== undefined) {
        for (const [tensor, name] of readIndex(index, join(folder, INDEX))) {
          if (!files.has(tensor))
            throw damaged(folder, `${name} has no tensor ${tensor}, which the index expects there`);
        }
      }
      return new Weights(folder, files, lora);
    } catch (error) {
      await Promise.all(opened.map((file) => file.close()));
      throw error;
    }
  }

  /** Our name of a parameter -> the name in the file; released files differ in their prefixes and in old spellings. */
  find(name: string): string | undefined {
    return spellings(name).find((spelling) => this.tensors.has(spelling));
  }

  /** Calls `use` with the values of each parameter, in pieces. `optional`: what may be missing, and is then left alone. */
  async each(
    parameters: readonly Parameter[],
    use: (name: string, values: Float32Array, start: number) => void,
    { optional = () => false }: { optional?: (name: string) => boolean } = {},
  ): Promise<{ missing: string[] }> {
    const missing: string[] = [];
    for (const { name, shape } of parameters) {
      const stored = this.find(name);
      if (stored === undefined) {
        if (!optional(name)) throw this.absent(name);
        missing.push(name);
        continue;
      }
      const found = this.tensors.get(stored)!.shape;
      if (found.join() !== shape.join()) {
        throw new MillraceError(
          'input',
          `${this.folder}: the tensor ${stored} has the shape [${found}], config.json asks for [${shape}]`,
          { hint: 'config.json and the weights are of two models' },
        );
      }
      const adapter = await this.adapter(name);
      await this.files.get(stored)!.eachFloats(stored, (values, start) => {
        this.checkFinite(stored, values, start);
        if (adapter) merge(values, start, adapter);
        use(name, values, start);
      });
    }
    return { missing };
  }

  private checkFinite(name: string, values: Float32Array, start = 0): void {
    const broken = values.findIndex((value) => !Number.isFinite(value));
    if (broken < 0) return;
    throw damaged(this.folder, `the tensor ${name} holds ${values[broken]} at element ${start + broken}`);
  }

  /** The thin matrices beside a weight, where there are any. */
  private async adapter(weight: string): Promise<Adapter | undefined> {
    const layer = layerOf(weight);
    const names = [`${layer}.lora_A.weight`, `${layer}.lora_B.weight`];
    if (!this.lora || isAdapter(weight) || !this.tensors.has(names[0]!)) return undefined;
    const [down, up] = await Promise.all(
      names.map(async (name) => {
        const file = this.files.get(name);
        if (!file) throw this.absent(name);
        const values = await file.floats(name);
        this.checkFinite(name, values);
        return values;
      }),
    );
    return adapterOf(this.lora, { down: down!, up: up!, transposed: isTransposed(this.lora.family, weight) });
  }

  /** Tensors that none of the parameters asked for, but for those that every reader skips. */
  unused(parameters: readonly Parameter[]): string[] {
    const used = new Set(parameters.map(({ name }) => this.find(name)));
    return [...this.tensors.keys()].filter((name) => !used.has(name) && !SKIPPED.some((pattern) => pattern.test(name)));
  }

  async close(): Promise<void> {
    await Promise.all([...new Set(this.files.values())].map((file) => file.close()));
  }

  private absent(name: string): MillraceError {
    const close = nearest(name, [...this.tensors.keys()]);
    return new MillraceError('input', `${this.folder}: the tensor ${name} is missing from its weights`, {
      hint: close ? `the nearest there is ${close}` : 'config.json and the weights are of two models',
    });
  }
}

/** Positions, masks and frequencies that are computed, and heads that are tied to tables stored elsewhere. */
const SKIPPED = [
  /(^|\.)attn\.(masked_)?bias$/,
  /position_ids$/,
  /rotary_emb\.inv_freq$/,
  /embed_positions\.weight$/,
  /^(model\.)?(encoder|decoder)\.embed_tokens\.weight$/,
  /^lm_head\.weight$/,
  /^cls\.predictions\.decoder\.(weight|bias)$/,
];

function spellings(name: string): string[] {
  const old = name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
  const bare = (text: string) => text.replace(/^(bert|transformer|model)\./, '');
  const tied: Record<string, string[]> = {
    'model.shared.weight': ['model.encoder.embed_tokens.weight', 'lm_head.weight'],
    'model.embed_tokens.weight': ['lm_head.weight'],
    'transformer.wte.weight': ['lm_head.weight'],
    'cls.predictions.bias': ['cls.predictions.decoder.bias'],
  };
  return [name, old, bare(name), bare(old), ...(tied[name] ?? [])];
}

/** Tensor -> file. Only names of files beside the index are followed. */
function readIndex(text: string, path: string): Map<string, string> {
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown }).weight_map;
  } catch (cause) {
    throw new MillraceError('corrupt', `${path} is not JSON`, { cause });
  }
  if (typeof map !== 'object' || map === null) throw new MillraceError('corrupt', `${path} has no weight_map`);
  const entries = Object.entries(map);
  for (const [tensor, file] of entries) {
    if (typeof file !== 'string' || !/^[\w-][\w.-]*\.safetensors$/.test(file)) {
      throw new MillraceError('input', `${path}: weight_map.${tensor} names ${JSON.stringify(file)}`, {
        hint: 'only .safetensors files of the same folder are read',
      });
    }
  }
  return new Map(entries as [string, string][]);
}

const damaged = (folder: string, what: string) =>
  new MillraceError('corrupt', `${folder}: ${what}`, { hint: 'download or write it again' });
