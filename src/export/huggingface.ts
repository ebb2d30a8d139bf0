/**
 * A model in, a folder that transformers loads out, versions 4 and 5 alike: config.json, model.safetensors,
 * generation_config.json, and with a tokenizer tokenizer.json, tokenizer_config.json and special_tokens_map.json.
 */
import { copyFile, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { ModelConfig } from '../model/index.ts';
import type { TokenRoles } from '../pretrained/config.ts';
import type { Pretrained } from '../pretrained/open.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type TensorSource, writeSafetensors } from '../train/safetensors.ts';
import { huggingFaceConfig } from './config.ts';
import { exportTensors } from './tensors.ts';

export async function writeHuggingFace(pretrained: Pretrained, folder: string): Promise<void> {
  const tensors: TensorSource[] = await exportTensors(pretrained);
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  await writeDescription(pretrained, folder);
}

/** All but the weights. */
export async function writeDescription(pretrained: Pretrained, folder: string): Promise<void> {
  const tokenizer = pretrained.tokenizer === undefined ? undefined : await Tokenizer.load(pretrained.tokenizer);
  const roles = withTokenizer(pretrained.roles, tokenizer);
  const config = huggingFaceConfig(pretrained.config, { roles, labels: pretrained.labels });
  await writeJson(join(folder, 'config.json'), config);
  if (pretrained.model.decodeProgram)
    await writeJson(join(folder, 'generation_config.json'), generationConfig(roles, config));
  if (tokenizer && pretrained.tokenizer) {
    await writeTokenizer(pretrained, { tokenizer, folder, end: roles.eos?.[0] });
  }
  if (pretrained.chatTemplate) await writeFile(join(folder, 'chat_template.jinja'), pretrained.chatTemplate);
}

/** Roles that the checkpoint leaves open are told by the names of the special tokens. */
export function withTokenizer(roles: TokenRoles, tokenizer: Tokenizer | undefined): TokenRoles {
  const { bos, eos, pad } = tokenizer?.specialTokens ?? {};
  return {
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos: [eos] }),
    ...(pad !== undefined && { pad }),
    ...roles,
  };
}

function generationConfig(roles: TokenRoles, config: Record<string, unknown>): object {
  const keys = ['bos_token_id', 'eos_token_id', 'pad_token_id', 'decoder_start_token_id'];
  const given = Object.fromEntries(keys.filter((key) => config[key] != null).map((key) => [key, config[key]]));
  // Without a padding token `generate` warns at each call and takes the end token; say so at once.
  if (given.pad_token_id === undefined && roles.eos?.[0] !== undefined) given.pad_token_id = roles.eos[0];
  return { _from_model_config: true, ...given };
}

/** What transformers wants to know about tokenizer.json, which is copied as it is. */
async function writeTokenizer(
  { config, tokenizer: path }: Pretrained,
  { tokenizer, folder, end }: { tokenizer: Tokenizer; folder: string; end: number | undefined },
) {
  const file = (await stat(path!)).isDirectory() ? join(path!, 'tokenizer.json') : path!;
  if (config.family === 'marian' || config.family === 'transformer') {
    const json = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeJson(join(folder, 'tokenizer.json'), withEnd(json, tokenizer, end));
  } else await copyFile(file, join(folder, 'tokenizer.json'));
  const names = {
    bos: 'bos_token',
    eos: 'eos_token',
    unk: 'unk_token',
    pad: 'pad_token',
    cls: 'cls_token',
    sep: 'sep_token',
    mask: 'mask_token',
  };
  const special: Record<string, string> = {};
  for (const [role, key] of Object.entries(names)) {
    const id = tokenizer.specialTokens[role as keyof typeof names];
    const token = id === undefined ? undefined : tokenizer.idToToken(id);
    if (token !== undefined) special[key] = token;
  }
  await writeJson(join(folder, 'special_tokens_map.json'), special);
  await writeJson(join(folder, 'tokenizer_config.json'), {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: places(config),
    // Off: it would join ' .' to '.' and so change what was generated.
    clean_up_tokenization_spaces: false,
    ...special,
    added_tokens_decoder: Object.fromEntries(
      tokenizer.addedTokens.map(({ id, content, singleWord, lstrip, rstrip, normalized, special }) => [
        id,
        { content, single_word: singleWord, lstrip, rstrip, normalized, special },
      ]),
    ),
  });
}

/** Encoders have seen the end token behind each text; a tokenizer that doesn't add it by itself is told to. */
function withEnd(json: Record<string, unknown>, tokenizer: Tokenizer, end: number | undefined) {
  const token = end === undefined ? undefined : tokenizer.idToToken(end);
  if (token === undefined || tokenizer.ids('a', { addSpecialTokens: true }).at(-1) === end) return json;
  const piece = (id: 'A' | 'B') => ({ Sequence: { id, type_id: 0 } });
  const last = { SpecialToken: { id: token, type_id: 0 } };
  const template = {
    type: 'TemplateProcessing',
    single: [piece('A'), last],
    pair: [piece('A'), piece('B'), last],
    special_tokens: { [token]: { id: token, ids: [end], tokens: [token] } },
  };
  const before = json.post_processor ?? undefined;
  return { ...json, post_processor: before ? { type: 'Sequence', processors: [before, template] } : template };
}

function places(config: ModelConfig): number {
  if (config.family === 'gpt') return config.n_positions;
  return 'max_position_embeddings' in config ? config.max_position_embeddings : 512;
}

async function writeJson(path: string, value: object): Promise<void> {
  const file = await open(path, 'w').catch((cause: Error) => {
    throw new MillraceError('io', `${path} can't be written: ${cause.message}`, { cause });
  });
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
