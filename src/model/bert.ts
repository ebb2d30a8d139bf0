/**
 * BERT (Devlin et al. 2018): token ids of one or two sentences go in; masked tokens, the order of the sentences, or one
 * class a row come out. Post-norm encoder blocks; parameters under the names of BertForPreTraining, BertForMaskedLM and
 * BertForSequenceClassification.
 */
import { MillraceError } from '../errors.ts';
import { add, gather, reshape, rows, type Shape, slice, tanh, type Value } from '../graph/index.ts';
import { attend, paddingMask } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { type Init, zeros } from './init.ts';
import { activation, embedding, layerNormLayer, linear, positionTable } from './layers.ts';
import type { LoraConfig } from './lora.ts';
import { type LogitsOptions, type Model, makeModel, type ProgramOptions, type TrainingOptions } from './model.ts';

/** Keys as in config.json of BERT; `head` is ours. */
export interface BertConfig {
  family: 'bert';
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  max_position_embeddings: number;
  type_vocab_size?: number;
  hidden_act?: string;
  layer_norm_eps?: number;
  hidden_dropout_prob?: number;
  attention_probs_dropout_prob?: number;
  classifier_dropout?: number | null;
  initializer_range?: number;
  pad_token_id?: number | null;
  tie_word_embeddings?: boolean;
  /** `pretraining` (default): masked tokens and sentence order; `maskedlm`: tokens alone; `classify`: `num_labels`. */
  head?: 'pretraining' | 'maskedlm' | 'classify';
  num_labels?: number;
  position_embedding_type?: string;
  problem_type?: string | null;
  /** Frozen weights with thin trained matrices beside them; ours. */
  lora?: LoraConfig;
}

export function bert(config: BertConfig): Model<BertConfig> {
  const { hidden_size: width, num_attention_heads: heads } = config;
  check(config);
  // The released code draws from a normal distribution cut at two standard deviations.
  const init: Init = { kind: 'truncated-normal', std: config.initializer_range ?? 0.02 };
  const act = activation(config.hidden_act ?? 'gelu');
  const drop = (b: ProgramBuilder, x: Value) => b.dropout(x, config.hidden_dropout_prob ?? 0.1);
  const norm = (b: ProgramBuilder, name: string, x: Value) =>
    layerNormLayer(b, name, x, config.layer_norm_eps ?? 1e-12);
  const dense = (b: ProgramBuilder, name: string, x: Value, out = width) =>
    linear(b, name, x, { out, init, bias: true });

  function encoder(b: ProgramBuilder, options: ProgramOptions): Value {
    const { batchSize, seqLen, attentionMask = true } = options;
    const shape = [batchSize, seqLen];
    const ids = b.input('input_ids', 'int32', shape);
    const types = b.input('token_type_ids', 'int32', shape);
    const mask = attentionMask ? paddingMask(b.input('attention_mask', 'int32', shape)) : undefined;
    const words = { count: config.vocab_size, width, init, padding: padding(config) };
    const places = { count: config.max_position_embeddings, width, init };
    const kinds = { count: config.type_vocab_size ?? 2, width, init };
    const name = 'bert.embeddings';
    const token = embedding(b, `${name}.word_embeddings`, ids, words);
    const position = options.positionIds
      ? embedding(b, `${name}.position_embeddings`, b.input('position_ids', 'int32', shape), places)
      : positionTable(b, `${name}.position_embeddings`, seqLen, places);
    const sum = add(add(token, embedding(b, `${name}.token_type_embeddings`, types, kinds)), position);
    let x = drop(b, norm(b, `${name}.LayerNorm`, sum));
    for (let i = 0; i < config.num_hidden_layers; i++) x = block(b, i, x, mask, options);
    if (options.hidden) b.output('encoder', x);
    return x;
  }

  function block(b: ProgramBuilder, layer: number, x: Value, mask: Value | undefined, options: ProgramOptions): Value {
    const name = `bert.encoder.layer.${layer}`;
    return b.graph.segment(name, () => {
      const [q, k, v] = ['query', 'key', 'value'].map((part) => dense(b, `${name}.attention.self.${part}`, x));
      const dropout = (shape: Shape) => b.dropoutMask(shape, config.attention_probs_dropout_prob ?? 0.1);
      const { out, weights } = attend(q!, k!, v!, { heads, mask, dropout });
      if (options.attentions) b.attention(`attention.${layer}`, weights, heads);
      const attended = drop(b, dense(b, `${name}.attention.output.dense`, out));
      const middle = norm(b, `${name}.attention.output.LayerNorm`, add(attended, x));
      const inner = act(dense(b, `${name}.intermediate.dense`, middle, config.intermediate_size));
      const outer = drop(b, dense(b, `${name}.output.dense`, inner));
      return norm(b, `${name}.output.LayerNorm`, add(outer, middle));
    });
  }

  /** tanh of a dense layer on the first token, [CLS]: [batch, width]. */
  function pool(b: ProgramBuilder, hidden: Value): Value {
    const first = reshape(slice(hidden, 1, 0, 1), [hidden.shape[0]!, width]);
    return tanh(dense(b, 'bert.pooler.dense', first));
  }

  /** hidden [.., width] -> vocabulary logits [.., vocabulary]. */
  function predict(b: ProgramBuilder, hidden: Value): Value {
    const name = 'cls.predictions';
    const changed = norm(b, `${name}.transform.LayerNorm`, act(dense(b, `${name}.transform.dense`, hidden)));
    if (config.tie_word_embeddings === false) return dense(b, `${name}.decoder`, changed, config.vocab_size);
    const logits = linear(b, 'bert.embeddings.word_embeddings', changed, { out: config.vocab_size, init });
    return add(logits, b.parameter(`${name}.bias`, [config.vocab_size], zeros));
  }

  function classify(b: ProgramBuilder, hidden: Value): Value {
    const p = config.classifier_dropout ?? config.hidden_dropout_prob ?? 0.1;
    return dense(b, 'classifier', b.dropout(pool(b, hidden), p), config.num_labels ?? 2);
  }

  function loss(b: ProgramBuilder, options: TrainingOptions): void {
    const hidden = encoder(b, options);
    if (config.head === 'classify') {
      const logits = classify(b, hidden);
      b.loss('class', { logits, labels: b.input('labels', 'int32', [options.batchSize]) });
      if (options.logits) b.output('logits', logits);
      return;
    }
    const { at, labels } = maskedPlaces(b, hidden, options);
    b.loss('mlm', { logits: predict(b, at), labels, smoothing: options.labelSmoothing ?? 0 });
    if (options.logits) b.output('logits', predict(b, hidden));
    if (config.head === 'maskedlm') return;
    const order = dense(b, 'cls.seq_relationship', pool(b, hidden), 2);
    b.loss('nsp', { logits: order, labels: b.input('next_sentence_label', 'int32', [options.batchSize]) });
    if (options.logits) b.output('seq_relationship_logits', order);
  }

  function logits(b: ProgramBuilder, options: LogitsOptions): void {
    const hidden = encoder(b, options);
    b.output('logits', config.head === 'classify' ? classify(b, hidden) : predict(b, hidden));
    if ((config.head ?? 'pretraining') === 'pretraining')
      b.output('seq_relationship_logits', dense(b, 'cls.seq_relationship', pool(b, hidden), 2));
  }
  return makeModel(config, { loss, logits });
}

/** The rows [n, width] whose tokens are to be guessed, and those tokens. Fewer rows, so a far smaller projection. */
function maskedPlaces(b: ProgramBuilder, hidden: Value, { batchSize, seqLen, maxPredictions }: TrainingOptions) {
  if (maxPredictions === undefined)
    return { at: rows(hidden), labels: b.input('labels', 'int32', [batchSize, seqLen]) };
  const shape = [batchSize, maxPredictions];
  const starts = Array.from({ length: batchSize }, (_, i) => i * seqLen);
  const places = add(b.input('masked_positions', 'int32', shape), b.graph.constant(starts, 'int32', [batchSize, 1]));
  const at = gather(rows(hidden), reshape(places, [batchSize * maxPredictions]));
  return { at, labels: b.input('masked_labels', 'int32', shape) };
}

const padding = ({ pad_token_id }: BertConfig) => (pad_token_id === undefined ? 0 : pad_token_id);

function check(config: BertConfig): void {
  const { hidden_size, num_attention_heads: heads, position_embedding_type: kind, problem_type: problem } = config;
  if (hidden_size % heads !== 0)
    throw new MillraceError('config', `hidden_size ${hidden_size} is no multiple of num_attention_heads ${heads}`);
  if (kind !== undefined && kind !== 'absolute')
    throw new MillraceError('config', `position_embedding_type ${JSON.stringify(kind)} is not supported`, {
      hint: 'use absolute',
    });
  if (config.head === 'classify' && problem && problem !== 'single_label_classification')
    throw new MillraceError('config', `problem_type ${JSON.stringify(problem)} is not supported`, {
      hint: 'use single_label_classification',
    });
}
