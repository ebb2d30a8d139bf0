/** Gradients of the composites: groups of ops whose joint gradient has a shorter form than their parts' (composites.ts). */
import * as native from '../native.ts';
import {
  add,
  cast,
  equal,
  exp,
  expand,
  matmul,
  mul,
  neg,
  not,
  reshape,
  rotary,
  scatterAdd,
  sub,
  sum,
  zerosLike,
} from '../ops.ts';
import type { Value } from '../value.ts';
import { scatterRows } from './index_ops.ts';
import { isFixed, type Rule, unbroadcast } from './rule.ts';

const rowMean = (x: Value) => mul(sum(x, { axes: [-1], keep: true }), 1 / x.size(-1));

export const composite: Record<string, Rule> = {
  // dx = s (g - mean(g) - xhat mean(g xhat)), g = dy * gain, s = inverse standard deviation.
  LayerNormalization: ({ inputs: [x, gain, bias], outputs: [, mean, scale] }, [dy]) => {
    if (x!.graph.native) return native.layerNormGrad(dy!, x!, gain!, mean!, scale!).slice(0, bias ? 3 : 2);
    const centred = mul(sub(x!, cast(mean!, x!.dtype)), cast(scale!, x!.dtype));
    const g = mul(dy!, gain!);
    const dx = mul(sub(sub(g, rowMean(g)), mul(centred, rowMean(mul(g, centred)))), cast(scale!, x!.dtype));
    return [dx, unbroadcast(mul(dy!, centred), gain!.shape), bias && unbroadcast(dy!, bias.shape)];
  },
  // dx = s (g - xhat mean(g xhat)), g = dy * gain, s = 1 / RMS.
  RmsNorm: ({ inputs: [, gain, bias], outputs: [, normal, scale] }, [dy]) => {
    const g = mul(dy!, gain!);
    const dx = mul(sub(g, mul(normal!, rowMean(mul(g, normal!)))), scale!);
    return [dx, unbroadcast(mul(dy!, normal!), gain!.shape), bias && unbroadcast(dy!, bias.shape)];
  },
  // As for Gather, with nothing from the places that hold the padding id.
  Embedding: ({ inputs: [table, ids], attributes }, [dy]) => {
    const padding = (attributes.padding as { int: number }).int;
    if (table!.graph.native && native.fitsRows(table!, ids!))
      return [(gathered) => native.addRows(gathered ?? zerosLike(table!), ids!, dy!, padding)];
    const real = cast(not(equal(ids!, padding)), dy!.dtype);
    return [scatterRows(table!, ids!, mul(dy!, reshape(real, [...ids!.shape, 1])))];
  },
  // A rotation's transpose turns the other way.
  RotaryEmbedding: ({ inputs: [, cosine, sine, positions], attributes }, [dy]) => [
    rotary(dy!, cosine!, negated(sine!), positions!, (attributes.num_heads as { int: number }).int),
  ],
  // dS = P (dP - sum(P dP)) for scores S and weights P. The sum of a row of P dP is that of out * dOut, which has a head's
  // width in place of all keys (Dao et al. 2022, appendix B.2); dropout in between changes nothing about that.
  Attention: ({ inputs: [q, k, v, mask, dropout], outputs: [out, weights, kept], attributes }, [dy, dWeights]) => {
    const alpha = (attributes.scale as { float: number }).float;
    const rowSum = (x: Value) => sum(x, { axes: [-1], keep: true });
    const dOut = dy ?? zerosLike(out!);
    let dP = matmul(dOut, v!, { transB: true });
    if ((attributes.dropout as { int: number }).int) dP = mul(dP, dropout!);
    if (dWeights) dP = add(dP, dWeights);
    const plain = () => {
      const total = rowSum(mul(dOut, out!));
      return mul(weights!, sub(dP, dWeights ? add(total, rowSum(mul(dWeights, weights!))) : total));
    };
    const dS = q!.graph.native ? native.softmaxGrad(weights!, dP) : plain();
    return [
      unbroadcast(matmul(dS, k!, { alpha }), q!.shape),
      unbroadcast(matmul(dS, q!, { transA: true, alpha }), k!.shape),
      unbroadcast(matmul(kept!, dOut, { transA: true }), v!.shape),
      isFixed(mask!) ? undefined : unbroadcast(dS, mask!.shape),
    ];
  },
  // d(loss)/d(logits) = (softmax - target) * weight; logits take no gradient through labels or weights.
  CrossEntropy: ({ inputs: [logits, labels, weights], outputs: [, logProbs], attributes }, [dy]) => {
    const smoothing = attributes.smoothing && 'float' in attributes.smoothing ? attributes.smoothing.float : 0;
    const each = mul(weights!, dy!);
    let residual = exp(logProbs!);
    if (smoothing > 0) residual = sub(residual, smoothing / logits!.size(-1));
    const hit = expand(each.graph.constant(smoothing - 1, each.dtype), labels!.shape, labels!);
    return [mul(scatterAdd(residual, labels!, hit, -1), each)];
  },
  // y = x sigmoid(x): dy/dx = s + y (1 - s).
  Silu: ({ outputs: [y, s] }, [dy]) => [mul(dy!, add(s!, mul(y!, sub(1, s!))))],
  // y = x P(x), P the normal distribution: dy/dx = P(x) + x p(x), p its density. With u = x / sqrt(2), x p(x) is
  // u exp(-u^2) / sqrt(pi), the constant taken into the exponent.
  Gelu: ({ outputs: [, cdf, u] }, [dy]) => {
    const density = exp(sub(-0.5 * Math.log(Math.PI), mul(u!, u!)));
    return [mul(dy!, add(cdf!, mul(u!, density)))];
  },
  // y = x (1 + t) / 2, t = tanh(u), u = c (x + a x^3): dy/dx = (1 + t) / 2 + x (1 - t^2) u' / 2.
  GeluTanh: ({ inputs: [x], outputs: [, t] }, [dy]) => {
    const c = Math.sqrt(2 / Math.PI);
    const slope = add(mul(mul(x!, x!), 3 * 0.044715 * c), c);
    const inner = mul(mul(x!, sub(1, mul(t!, t!))), slope);
    return [mul(dy!, mul(add(add(t!, 1), inner), 0.5))];
  },
};

function negated(value: Value): Value {
  const bytes = value.graph.constants.get(value);
  if (!bytes || value.dtype !== 'float32') return neg(value);
  const data = new Float32Array(bytes.slice().buffer).map((v) => -v);
  return value.graph.constant(data, 'float32', value.shape);
}
