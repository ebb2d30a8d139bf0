/** A model of your own on the dataset of first.ts: `node --import=tsx examples/first.ts`, then `.. examples/own_model.ts` */
import { datasetSource, loopSchema, programsOf, trainPrograms } from 'millrace';
import { add, rows, split, type Value } from 'millrace/graph';
import * as layers from 'millrace/model';

const [vocab, width, context] = [1000, 64, 64];
const init = layers.normal(0.02);

/** Token ids [batch, time] -> logits [batch, time, vocab]. */
function logits(b: layers.ProgramBuilder, { batchSize, seqLen }: layers.ProgramOptions): Value {
  const ids = b.input('input_ids', 'int32', [batchSize, seqLen]);
  const places = layers.positionTable(b, 'place', seqLen, { count: context, width, init });
  let x = add(layers.embedding(b, 'word', ids, { count: vocab, width, init }), places);
  for (let i = 0; i < 2; i++) {
    const normed = layers.layerNormLayer(b, `block.${i}.norm`, x, 1e-5);
    const [q, k, v] = split(layers.linear(b, `block.${i}.qkv`, normed, { out: 3 * width, init }), -1, [64, 64, 64]);
    const { out } = layers.attend(q!, k!, v!, { heads: 4, mask: layers.causalMask(b.graph, seqLen) });
    x = add(x, b.dropout(layers.linear(b, `block.${i}.mix`, out, { out: width, init }), 0.1));
    const inner = layers.activation('gelu')(layers.linear(b, `block.${i}.up`, x, { out: 4 * width, init }));
    x = add(x, layers.linear(b, `block.${i}.down`, inner, { out: width, init }));
  }
  return layers.linear(b, 'word', x, { out: vocab, init }); // a name used again is the same weight: tied
}

const own = layers.makeModel(
  { family: 'own' },
  {
    loss(b, sizes) {
      const labels = b.input('labels', 'int32', [sizes.batchSize, sizes.seqLen]);
      b.loss('lm', { logits: rows(logits(b, sizes)), labels });
    },
    logits: (b, sizes) => b.output('logits', logits(b, sizes)),
  },
);

const { step, loss, validationLoss } = await trainPrograms({
  programs: programsOf(own, { native: true }),
  data: await datasetSource({ dir: 'runs/first/dataset', batchSize: 16, seed: 1, vocab: 'runs/first/vocab' }),
  recipe: loopSchema.parse({ optimizer: { lr: 0.003 }, training: { steps: 100, batch_size: 16 } }),
  out: 'runs/own',
});
console.log(
  `${step} steps of ${layers.countParameters(own.parameters)} parameters: loss ${loss}, validation ${validationLoss}`,
);
