/**
 * Reverse-mode differentiation: a scalar and the values to differentiate by go in, their gradients come out as new
 * values of the same graph. What each op contributes is in the table of rules (rules/index.ts).
 */
import { MillraceError } from '../errors.ts';
import { add } from './ops.ts';
import { type Rule, rules } from './rules/index.ts';
import { sameShape, show } from './shapes.ts';
import type { Step, Value } from './value.ts';

export interface GradientOptions {
  /** Rules of the caller's own ops, by op name; they win over the built-in ones. */
  rules?: Record<string, Rule>;
}

/**
 * d(sum of `targets`) / d(`wrt`), each of the shape and dtype of its value; undefined where no target depends on it.
 * `targets` are float scalars.
 */
export function gradients(targets: Value[], wrt: Value[], options: GradientOptions = {}): (Value | undefined)[] {
  const table = { ...rules, ...options.rules };
  const graph = targets[0]!.graph;
  const forward = [...graph.nodes];
  const needed = dependents(forward, wrt);
  const gradient = new Map<Value, Value>();
  for (const target of targets) {
    if (target.rank !== 0) throw new MillraceError('internal', `${target.name} ${show(target.shape)} is not a scalar`);
    gradient.set(target, graph.constant(1, target.dtype));
  }
  const done = new Set<Step>();
  for (const node of forward.reverse()) {
    const step: Step = node.call ?? node;
    if (done.has(step)) continue;
    done.add(step);
    const incoming = step.outputs.map((output) => gradient.get(output));
    if (!incoming.some((grad) => grad) || !step.inputs.some((input) => input && needed.has(input))) continue;
    const rule = table[step.op];
    if (!rule) throw new MillraceError('internal', `no gradient rule for the op ${step.op}`);
    rule(step, incoming).forEach((contribution, i) => {
      const input = step.inputs[i];
      if (!contribution || !input || !needed.has(input)) return;
      const value = typeof contribution === 'function' ? contribution(gradient.get(input)) : contribution;
      if (!sameShape(value.shape, input.shape) || value.dtype !== input.dtype)
        throw new MillraceError('internal', `the rule of ${step.op} gives ${show(value.shape)} for ${input.name}`);
      const before = typeof contribution === 'function' ? undefined : gradient.get(input);
      gradient.set(input, before ? add(before, value) : value);
    });
  }
  return wrt.map((value) => gradient.get(value));
}

/** The values that change when one of `sources` does, `sources` included. */
function dependents(nodes: Step[], sources: Value[]): Set<Value> {
  const found = new Set(sources);
  for (const node of nodes)
    if (node.inputs.some((input) => input && found.has(input))) for (const output of node.outputs) found.add(output);
  return found;
}
