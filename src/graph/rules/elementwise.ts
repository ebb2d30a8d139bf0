/** Gradients of the elementwise ops. */
import { cast, div, equal, exp, greater, mul, neg, pow, sub, where, zerosLike } from '../ops.ts';
import type { Step, Value } from '../value.ts';
import { isFixed, type Rule, unbroadcast } from './rule.ts';

/** A rule for y = f(x), given the gradient dy of y. */
const unary =
  (rule: (dy: Value, x: Value, y: Value) => Value): Rule =>
  ({ inputs, outputs }, [dy]) => [rule(dy!, inputs[0]!, outputs[0]!)];

/** A rule for y = f(a, b) with broadcasting. */
const binary =
  (rule: (dy: Value, a: Value, b: Value, y: Value) => [() => Value, () => Value]): Rule =>
  ({ inputs, outputs }: Step, [dy]) =>
    rule(dy!, inputs[0]!, inputs[1]!, outputs[0]!).map((share, i) =>
      isFixed(inputs[i]!) ? undefined : unbroadcast(share(), inputs[i]!.shape),
    );

/** The larger (smaller) operand gets the gradient; a tie is halved, as in PyTorch. */
const extreme = (wins: (a: Value, b: Value) => Value): Rule =>
  binary((dy, a, b) => {
    const tie = () => mul(cast(equal(a, b), dy.dtype), 0.5);
    const share = (x: Value, y: Value) => () => mul(dy, where(equal(a, b), tie(), cast(wins(x, y), dy.dtype)));
    return [share(a, b), share(b, a)];
  });

export const elementwise: Record<string, Rule> = {
  Add: binary((dy) => [() => dy, () => dy]),
  Sub: binary((dy) => [() => dy, () => neg(dy)]),
  Mul: binary((dy, a, b) => [() => mul(dy, b), () => mul(dy, a)]),
  Div: binary((dy, _, b, y) => [() => div(dy, b), () => neg(div(mul(dy, y), b))]),
  Pow: ({ inputs }, [dy]) => {
    const exponent = scalar(inputs[1]!);
    return [mul(dy!, mul(exponent === 2 ? inputs[0]! : pow(inputs[0]!, exponent - 1), exponent))];
  },
  Max: extreme((a, b) => greater(a, b)),
  Min: extreme((a, b) => greater(b, a)),
  Where: ({ inputs: [condition, a, b] }, [dy]) => [
    undefined,
    unbroadcast(where(condition!, dy!, zerosLike(dy!)), a!.shape),
    unbroadcast(where(condition!, zerosLike(dy!), dy!), b!.shape),
  ],
  Neg: unary((dy) => neg(dy)),
  Exp: unary((dy, _, y) => mul(dy, y)),
  Log: unary((dy, x) => div(dy, x)),
  Sqrt: unary((dy, _, y) => div(mul(dy, 0.5), y)),
  Reciprocal: unary((dy, _, y) => neg(mul(dy, mul(y, y)))),
  Tanh: unary((dy, _, y) => mul(dy, sub(1, mul(y, y)))),
  Erf: unary((dy, x) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Sigmoid: unary((dy, _, y) => mul(dy, sub(y, mul(y, y)))),
  Relu: unary((dy, _, y) => mul(dy, cast(greater(y, 0), dy.dtype))),
  Cast: unary((dy, x) => cast(dy, x.dtype)),
  Identity: unary((dy) => dy),
};

/** The number that a scalar float constant holds. */
function scalar(value: Value): number {
  const bytes = value.graph.constants.get(value)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return value.dtype === 'float64' ? view.getFloat64(0, true) : view.getFloat32(0, true);
}
