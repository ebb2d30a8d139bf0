/** Fine-tuning end to end on tiny models: what learns and what does not, scores, resumes, and what is refused. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { finetune } from '../../src/finetune/finetune.ts';
import { finetuneSchema } from '../../src/finetune/recipe.ts';
import { classify } from '../../src/generate/classify.ts';
import { sample } from '../../src/generate/sample.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { Safetensors } from '../../src/train/safetensors.ts';
import { maxError } from '../support/ort.ts';
import { bert, llama, scratch, tinyModel, tinyVocab } from '../support/tiny.ts';

const WORDS = ['river', 'mill', 'wheel', 'day', 'grain', 'sacks'];

/** Texts that are about grain, or not; both classes as often. */
async function labelled(pairs = false): Promise<string> {
  const path = join(await scratch(), 'data.jsonl');
  const lines = Array.from({ length: 120 }, (_, i) => {
    const text = [WORDS[i % 4], 'the', WORDS[(i * 7) % 4], i % 2 ? 'grain' : 'wheel'].join(' ');
    return JSON.stringify({ text, label: i % 2 ? 'grain' : 'other', ...(pairs && { pair: `the ${WORDS[i % 3]}` }) });
  });
  await writeFile(path, lines.join('\n'));
  return path;
}

const recipe = async (more: object) =>
  finetuneSchema.parse({
    vocab: await tinyVocab(),
    out: join(await scratch(), 'run'),
    optimizer: { lr: 5e-3, weight_decay: 0 },
    training: { steps: 40, batch_size: 8, validate_every: 40, checkpoint_every: 40 },
    ...more,
  });

async function tensors(path: string): Promise<Map<string, Float32Array>> {
  const file = await Safetensors.open(path);
  const found = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) found.set(name, await file.floats(name));
  await file.close();
  return found;
}

const changed = (a: Map<string, Float32Array>, b: Map<string, Float32Array>) =>
  [...a.keys()].filter((name) => b.has(name) && a.get(name)!.some((value, i) => value !== b.get(name)![i]));

test('BERT, the whole model and the head alone', async (t) => {
  const checkpoint = await tinyModel(bert);
  const before = await tensors(join(checkpoint, 'model.safetensors'));
  const data = { train: await labelled() };
  const whole = await recipe({ checkpoint, task: 'classify', data });
  const result = await finetune({ recipe: whole, threads: 1 });
  t.is(result.scores!.accuracy, 1);
  const [[grain, wrong], [also, other]] = result.scores!.confusion as [[number, number], [number, number]];
  t.deepEqual([grain + other, wrong, also], [12, 0, 0]);
  t.true(grain > 0 && other > 0);
  t.true(changed(before, await tensors(join(result.checkpoint, 'model.safetensors'))).length > 30);
  const [first, second] = await classify({
    checkpoint: whole.out,
    texts: ['the mill grain', 'day the wheel'],
    threads: 1,
  });
  t.is(first!.label, 'grain');
  t.is(second!.label, 'other');
  t.true(Math.abs(Object.values(first!.probabilities).reduce((a, b) => a + b, 0) - 1) < 1e-9);

  const head = await recipe({ checkpoint, task: 'classify', data, update: 'head' });
  const alone = await finetune({ recipe: head, threads: 1 });
  t.is(alone.trained, 2 * 32 + 2);
  t.deepEqual(changed(before, await tensors(join(alone.checkpoint, 'model.safetensors'))), []);
});

test("a pooler that the checkpoint does not have learns with the head; dropout is the recipe's", async (t) => {
  const checkpoint = await tinyModel({ ...bert, head: 'maskedlm' });
  const before = await tensors(join(checkpoint, 'model.safetensors'));
  const data = { train: await labelled() };
  const head = await recipe({ checkpoint, task: 'classify', data, update: 'head', dropout: 0.25 });
  const { trained, checkpoint: after } = await finetune({ recipe: head, threads: 1, maxSteps: 3 });
  t.is(trained, 2 * 32 + 2 + 32 * 32 + 32);
  t.deepEqual(changed(before, await tensors(join(after, 'model.safetensors'))), []);
  const config = JSON.parse(await readFile(join(head.out, 'config.json'), 'utf8')) as Record<string, number>;
  t.deepEqual([config.hidden_dropout_prob, config.attention_probs_dropout_prob], [0.25, 0.25]);
});

test('precision and recompute of the recipe are heard, in every way of learning', async (t) => {
  const checkpoint = await tinyModel(bert);
  const data = { train: await labelled() };
  const losses = async (update: string, training: object) => {
    const found: number[] = [];
    const given = await recipe({
      checkpoint,
      task: 'classify',
      data,
      update,
      training: { steps: 4, batch_size: 8, ...training },
    });
    await finetune({ recipe: given, threads: 1, onEvent: (event) => event.type === 'step' && found.push(event.loss) });
    return found;
  };
  for (const update of ['all', 'head', 'lora']) {
    const [plain, again, rounded] = [
      await losses(update, {}),
      await losses(update, { recompute: true }),
      await losses(update, { precision: 'bfloat16' }),
    ];
    t.true(maxError(again, plain) < 1e-5, update);
    t.true(maxError(rounded, plain) > 1e-5 && maxError(rounded, plain) < 0.05, update);
  }
});

test('BERT on pairs with LoRA: the frozen weights stay, the run opens merged', async (t) => {
  const checkpoint = await tinyModel(bert);
  const before = await tensors(join(checkpoint, 'model.safetensors'));
  const lora = await recipe({
    checkpoint,
    task: 'classify',
    data: { train: await labelled(true), fields: { pair: 'pair' } },
    update: 'lora',
    lora: { rank: 4, targets: ['query', 'value', 'dense'] },
  });
  const result = await finetune({ recipe: lora, threads: 1 });
  t.true((result.scores!.accuracy as number) > 0.9);
  const after = await tensors(join(result.checkpoint, 'model.safetensors'));
  t.deepEqual(changed(before, after), []);
  t.true([...after.keys()].some((name) => name.endsWith('lora_B.weight')));
  const opened = await openPretrained({ path: lora.out });
  await opened.weights.close();
  t.deepEqual(opened.labels, ['grain', 'other']);
});

test('GPT with the language model beside the class', async (t) => {
  const gpt = { family: 'gpt', vocab_size: 300, n_positions: 40, n_embd: 32, n_layer: 2, n_head: 4 } as const;
  const base = { checkpoint: await tinyModel(gpt), task: 'classify', data: { train: await labelled() } };
  const events: string[] = [];
  const both = await recipe({ ...base, lambda: 0.5 });
  const result = await finetune({
    recipe: both,
    threads: 1,
    onEvent: (event) => event.type === 'step' && events.push(...Object.keys(event.losses ?? {})),
  });
  t.deepEqual([...new Set(events)], ['class', 'lm']);
  t.true((result.scores!.accuracy as number) > 0.9);
  const [found] = await classify({ checkpoint: both.out, texts: ['mill the grain'], threads: 1 });
  t.is(found!.label, 'grain');
});

test('conversations: answers alone are learnt, and the model then gives them', async (t) => {
  const path = join(await scratch(), 'chat.jsonl');
  const chats = Array.from({ length: 64 }, (_, i) => ({
    messages: [
      { role: 'user', content: i % 2 ? 'the wheel' : 'the river' },
      { role: 'assistant', content: i % 2 ? 'turns' : 'runs' },
    ],
  }));
  await writeFile(path, chats.map((chat) => JSON.stringify(chat)).join('\n'));
  const chat = await recipe({
    checkpoint: await tinyModel({ ...llama, max_position_embeddings: 128 }),
    task: 'chat',
    data: { train: path },
  });
  const { validationLoss } = await finetune({ recipe: chat, threads: 1 });
  t.true(validationLoss! < 0.1);
  t.regex(await readFile(join(chat.out, 'chat_template.jinja'), 'utf8'), /im_start/);
  const ask = (question: string) =>
    sample({
      checkpoint: chat.out,
      prompt: `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`,
      temperature: 0,
      stop: ['<|im_end|>'],
      threads: 1,
    });
  t.is((await ask('the wheel')).text, 'turns');
  t.is((await ask('the river')).text, 'runs');
});

test('a run that was stopped goes on to the same weights', async (t) => {
  const checkpoint = await tinyModel(bert);
  const data = { train: await labelled() };
  const vocab = await tinyVocab();
  const one = await recipe({ checkpoint, vocab, task: 'classify', data });
  const two = await recipe({ checkpoint, vocab, task: 'classify', data });
  const straight = await finetune({ recipe: one, threads: 1 });
  await finetune({ recipe: two, threads: 1, maxSteps: 13 });
  const resumed = await finetune({ recipe: two, threads: 1, resume: 'auto' });
  const [a, b] = await Promise.all(
    [straight, resumed].map((run) => readFile(join(run.checkpoint, 'model.safetensors'))),
  );
  t.true(a!.equals(b!));
});

test('mistakes are named', async (t) => {
  const checkpoint = await tinyModel(bert);
  const data = { train: await labelled() };
  const run = async (more: object) =>
    finetune({ recipe: await recipe({ checkpoint, task: 'classify', data, ...more }) });
  await t.throwsAsync(run({ lambda: 1 }), { code: 'config', message: /lambda/ });
  await t.throwsAsync(run({ task: 'chat' }), { code: 'config', message: /does not chat/ });
  await t.throwsAsync(run({ task: 'chat', update: 'head' }), { code: 'config' });
  await t.throwsAsync(run({ data: { train: '/nowhere/*.jsonl' } }), { code: 'input', message: /no file matches/ });
  await t.throwsAsync(run({ data: { ...data, fields: { label: 'class' } } }), {
    code: 'input',
    message: /data\.jsonl:1: class/,
  });
  await t.throwsAsync(run({ update: 'lora', lora: { targets: ['nothing'] } }), {
    code: 'config',
    message: /"nothing"/,
  });
});
