/** The LLaMA recipe against transformers' LlamaForCausalLM: logits, loss and every gradient of a stored example. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { buildModel, countParameters, type LlamaConfig } from '../../src/model/index.ts';
import { maxError, readTensors, runProgram } from '../support/ort.ts';

const fixture = (name: string) => new URL(`../fixtures/models/${name}/`, import.meta.url).pathname;

test('logits, loss and gradients equal those of transformers', async (t) => {
  const dir = fixture('llama_mha');
  const config = { ...JSON.parse(readFileSync(`${dir}config.json`, 'utf8')), family: 'llama' } as LlamaConfig;
  const expected = readTensors(`${dir}expected.safetensors`);
  const weights = readTensors(`${dir}model.safetensors`);
  const { shape, data: ids } = expected['in.input_ids']!;
  const [batchSize, seqLen] = shape as [number, number];
  const labels = expected['in.labels']!.data.map((_, i, all) => ((i + 1) % seqLen === 0 ? -100 : all[i + 1]!));
  const model = buildModel(config);
  const program = model.trainingProgram({ batchSize, seqLen, logits: true });
  const counted = labels.filter((label) => label >= 0).length;
  const results = await runProgram(program, {
    ...Object.fromEntries(Object.entries(weights).map(([name, { data }]) => [name, data])),
    input_ids: ids,
    labels,
    'scale.lm': [1 / counted],
  });
  t.true(maxError(results.logits!, expected['out.logits']!.data) < 2e-5);
  t.true(maxError(results['loss.lm']!, expected['out.loss']!.data) < 2e-5);
  t.is(results['count.lm']![0], counted);
  for (const { name } of model.parameters) {
    const error = maxError(results[`grad.${name}`]!, expected[`grad.${name}`]!.data);
    t.true(error < 2e-5, `${name}: ${error}`);
  }
});

test('LLaMA 7B has 6,738,415,616 parameters', (t) => {
  const model = buildModel({
    family: 'llama',
    vocab_size: 32000,
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    max_position_embeddings: 2048,
  });
  t.is(countParameters(model.parameters), 6_738_415_616);
});
