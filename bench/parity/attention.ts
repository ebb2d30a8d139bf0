/** The tensors of the attention fixture go in; what each form of attention gives, with its gradients, comes out. */
import { type DType, gradients, mul, reshape, sub, sum, type Value } from '../../src/graph/index.ts';
import {
  causalMask,
  dotProductAttention,
  multiHeadAttention,
  nadarayaWatson,
  ProgramBuilder,
  paddingMask,
} from '../../src/model/index.ts';
import { type TensorSource, tensor } from '../../src/train/safetensors.ts';
import { Session } from '../../src/train/session.ts';
import type { Example } from './example.ts';

const INPUTS = ['sdpa.valid_len', 'sdpa.q', 'sdpa.k', 'sdpa.v', 'sdpa.grad_out', 'nw.x', 'nw.y', 'nw.query'];
const MORE = ['nwp.w', 'nwp.target', 'self_causal.x', 'mha.param.'];

export async function attentionForms(example: Example): Promise<TensorSource[]> {
  const given = await example.read([...INPUTS, ...MORE]);
  const heads = example.options.heads as number;
  const b = new ProgramBuilder();
  const input = (name: string, as: DType & ('float32' | 'int32') = 'float32') =>
    b.input(name, as, given.get(name)!.shape);
  const put = (name: string, value: Value) => b.output(name, value);

  const [x, y, query] = [input('nw.x'), input('nw.y'), input('nw.query')];
  const plain = nadarayaWatson(query, x, y);
  put('nw.pred', plain.out);
  put('nw.weights', plain.weights);
  const width = input('nwp.w');
  const pooled = nadarayaWatson(query, x, y, width).out;
  const miss = sub(pooled, input('nwp.target'));
  const loss = mul(sum(mul(miss, miss)), 0.5);
  put('nwp.pred', pooled);
  put('nwp.loss', loss);
  put('nwp.grad_w', gradients([loss], [width])[0]!);

  const [q, k, v] = [input('sdpa.q'), input('sdpa.k'), input('sdpa.v')];
  const [batch, keys] = [k.size(0), k.size(1)];
  const mask = paddingMask(b.input('attention_mask', 'int32', [batch, keys]));
  const out = input('sdpa.grad_out');
  const single = dotProductAttention(q, k, v, reshape(mask, [batch, 1, keys]));
  put('sdpa.out', single.out);
  put('sdpa.weights', single.weights);
  const singleGrads = gradients([sum(mul(single.out, out))], [q, k, v]);
  for (const [i, grad] of singleGrads.entries()) put(`sdpa.grad_${'qkv'[i]}`, grad!);

  const many = multiHeadAttention(b, 'mha.', [q, k, v], { heads, mask });
  put('mha.out', many.out);
  put('mha.weights', many.weights);
  const names = ['in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias'];
  const parts = names.map((name) => b.parameterNamed(`mha.${name}`));
  const manyGrads = gradients([sum(mul(many.out, out))], [q, k, v, ...parts]);
  for (const [i, grad] of manyGrads.entries()) put(i < 3 ? `mha.grad_${'qkv'[i]}` : `mha.grad.${names[i - 3]}`, grad!);
  const own = input('self_causal.x');
  const causal = { heads, mask: causalMask(b.graph, own.size(1)) };
  put('self_causal.out', multiHeadAttention(b, 'mha.', [own, own, own], causal).out);

  const program = b.program();
  const session = Session.create({ parameters: program.parameters, threads: 1 });
  for (const name of names)
    session.write('weight', `mha.${name}`, given.get(`mha.param.${name}`)!.values as Float32Array);
  const lengths = given.get('sdpa.valid_len')!.values;
  const shown = Int32Array.from({ length: batch * keys }, (_, i) =>
    i % keys < lengths[Math.floor(i / keys)]! ? 1 : 0,
  );
  const feeds = Object.fromEntries([...given].map(([name, { values }]) => [name, values]));
  const results = await session.run(await session.load(program), { ...feeds, attention_mask: shown });
  return program.outputs.map(({ name, shape }) => tensor(name, shape, results[name] as Float32Array));
}
