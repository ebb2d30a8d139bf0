//! Operators whose kernels take rows or elements one by one: activations, norms, softmax, cross-entropy, embedding gradients.

use ort::Error;
use ort::operator::{ComputeContext, OperatorDomain};

use super::{F32, I32, Like, Op, Rows, Scalar, rows_of};
use crate::runtime::kernels::{activation, loss, norm, scatter, softmax};
use crate::runtime::lend::{self, Lent, floats, floats_mut, ints, pieces, whole};

pub fn add(domain: OperatorDomain) -> ort::Result<OperatorDomain> {
    domain
        .add(elementwise("Gelu", activation::gelu))?
        .add(elementwise("GeluTanh", activation::gelu_tanh))?
        .add(elementwise("Silu", activation::silu))?
        .add(elementwise_grad("GeluGrad", activation::gelu_grad))?
        .add(elementwise_grad("GeluTanhGrad", activation::gelu_tanh_grad))?
        .add(elementwise_grad("SiluGrad", activation::silu_grad))?
        .add(Op::<0>::new("SwiGlu", &[F32, F32], &[Like(0)], |_| swiglu))?
        .add(Op::<2>::new("SwiGluGrad", &[F32, F32, F32], &[Like(0), Like(1)], |_| swiglu_grad))?
        .add(Op::<1>::new("MaskedSoftmax", &[F32, F32], &[Like(0)], |_| masked_softmax))?
        .add(Op::<3>::new("SoftmaxGrad", &[F32, F32], &[Like(0)], |_| softmax_grad))?
        .add(Op::<0>::new("RmsNorm", &[F32, F32], &[Like(0), Rows(0)], |info| {
            let epsilon: f32 = info.get("epsilon").unwrap_or(0.0);
            move |context: &ComputeContext| rms_norm(context, epsilon)
        }))?
        .add(Op::<0>::new("RmsNormGrad", &[F32, F32, F32, F32], &[Like(0), Like(2)], |_| rms_norm_grad))?
        .add(Op::<0>::new("LayerNormGrad", &[F32; 5], &[Like(0), Like(2), Like(2)], |_| layer_norm_grad))?
        .add(Op::<4>::new("CrossEntropy", &[F32, I32, F32], &[Scalar, Like(0)], |info| {
            let smoothing: f32 = info.get("smoothing").unwrap_or(0.0);
            move |context: &ComputeContext| cross_entropy(context, smoothing)
        }))?
        .add(Op::<1>::new("AddRows", &[F32, I32, F32], &[Like(0)], |info| {
            let skip: i64 = info.get("padding").unwrap_or(-1);
            move |context: &ComputeContext| add_rows(context, skip)
        }))
}

fn elementwise(name: &'static str, kernel: fn(&[f32], &mut [f32])) -> Op<0> {
    Op::new(name, &[F32], &[Like(0)], move |_| {
        move |context: &ComputeContext| {
            let x = floats(context, 0)?;
            let mut out = floats_mut(context, 0, x.shape())?;
            let (x, y) = (x.data(), Lent::new(out.data()));
            whole(context, x.len(), |range| kernel(&x[range.clone()], y.part(range)))
        }
    })
}

/// x and dy enter; dx may take dy's memory.
fn elementwise_grad(name: &'static str, kernel: fn(&[f32], &mut [f32])) -> Op<3> {
    Op::new(name, &[F32, F32], &[Like(0)], move |_| {
        move |context: &ComputeContext| {
            let x = floats(context, 0)?;
            let mut out = floats_mut(context, 0, x.shape())?;
            out.start_from(context, 1)?;
            let (x, d) = (x.data(), Lent::new(out.data()));
            whole(context, x.len(), |range| kernel(&x[range.clone()], d.part(range)))
        }
    })
}

fn swiglu(context: &ComputeContext) -> ort::Result<()> {
    let (gate, up) = (floats(context, 0)?, floats(context, 1)?);
    let mut out = floats_mut(context, 0, gate.shape())?;
    let (gate, up, y) = (gate.data(), up.same_as(&gate)?, Lent::new(out.data()));
    whole(context, gate.len(), |r| activation::swiglu(&gate[r.clone()], &up[r.clone()], y.part(r)))
}

fn swiglu_grad(context: &ComputeContext) -> ort::Result<()> {
    let (gate, up) = (floats(context, 0)?, floats(context, 1)?);
    let (mut first, mut second) = (floats_mut(context, 0, gate.shape())?, floats_mut(context, 1, gate.shape())?);
    second.start_from(context, 2)?;
    let (gate, up) = (gate.data(), up.same_as(&gate)?);
    let (d_gate, d) = (Lent::new(first.data()), Lent::new(second.data()));
    whole(context, gate.len(), |r| {
        activation::swiglu_grad(&gate[r.clone()], &up[r.clone()], d_gate.part(r.clone()), d.part(r))
    })
}

/// Scores [batch, heads, queries, keys] and a mask that is broadcast over heads, and over batch or queries where it has 1.
fn masked_softmax(context: &ComputeContext) -> ort::Result<()> {
    let mask = floats(context, 1)?;
    let scores = floats(context, 0)?;
    let shape = scores.shape().to_vec();
    drop(scores);
    let (&[batch, heads, queries, keys], masked) = (shape.as_slice(), mask.shape().to_vec()) else {
        return Err(Error::new("scores of four axes are wanted"));
    };
    let fits =
        |dims: &[i64]| matches!(*dims, [b, 1, q, k] if (b == 1 || b == batch) && (q == 1 || q == queries) && k == keys);
    let (many, each) = match masked.as_slice() {
        [] => (false, 0),
        dims if fits(dims) => (dims[0] == batch && batch > 1, (dims[2] * keys) as usize),
        _ => return Err(Error::new("the mask does not fit the scores")),
    };
    let mut out = floats_mut(context, 0, &shape)?;
    out.start_from(context, 0)?;
    let width = keys as usize;
    let (mask, block, rows) = (mask.data(), queries as usize * width, Lent::new(out.data()));
    context.par_for((batch * heads) as usize, 0, |piece| {
        let first = if many { piece / heads as usize * each } else { 0 };
        softmax::softmax(rows.part(piece * block..(piece + 1) * block), &mask[first..first + each], width);
    })
}

fn softmax_grad(context: &ComputeContext) -> ort::Result<()> {
    let weights = floats(context, 0)?;
    let width = weights.width();
    let mut out = floats_mut(context, 0, weights.shape())?;
    out.start_from(context, 1)?;
    let (p, rows) = (weights.data(), Lent::new(out.data()));
    pieces(context, p.len(), width, |_, r| softmax::softmax_grad(&p[r.clone()], rows.part(r), width))
}

fn rms_norm(context: &ComputeContext, epsilon: f32) -> ort::Result<()> {
    let (x, gain) = (floats(context, 0)?, floats(context, 1)?);
    let width = x.width();
    let mut out = floats_mut(context, 0, x.shape())?;
    let mut scales = floats_mut(context, 1, &rows_of(x.shape()))?;
    let (x, gain, y, inverse) = (x.data(), gain.row(width)?, Lent::new(out.data()), Lent::new(scales.data()));
    pieces(context, x.len(), width, |_, r| {
        let rows = r.start / width..r.end / width;
        norm::rms_norm(&x[r.clone()], gain, epsilon, y.part(r), inverse.part(rows));
    })
}

/// dy, x, gain, 1 / RMS.
fn rms_norm_grad(context: &ComputeContext) -> ort::Result<()> {
    norm_grad(context, None, 3)
}

/// dy, x, gain, mean, 1 / deviation.
fn layer_norm_grad(context: &ComputeContext) -> ort::Result<()> {
    norm_grad(context, Some(3), 4)
}

/// Each piece adds its rows' share of the gain's and bias's gradients into sums of its own; these are added up in order.
fn norm_grad(context: &ComputeContext, mean: Option<usize>, inverse: usize) -> ort::Result<()> {
    let (dy, x, gain) = (floats(context, 0)?, floats(context, 1)?, floats(context, 2)?);
    let width = x.width();
    let centred = mean.is_some();
    let mean = mean.map(|index| floats(context, index)).transpose()?;
    let scales = floats(context, inverse)?;
    let mut out = floats_mut(context, 0, x.shape())?;
    let mut d_gain = floats_mut(context, 1, gain.shape())?;
    let mut d_bias = if centred { Some(floats_mut(context, 2, gain.shape())?) } else { None };
    let (dy, gain) = (dy.same_as(&x)?, gain.row(width)?);
    let (x, scales, mean) = (x.data(), scales.data(), mean.as_ref().map_or(&[][..], |m| m.data()));
    let dx = Lent::new(out.data());
    let share = if centred { 2 * width } else { width };
    let mut sums = vec![0.0f32; lend::count(x.len(), width) * share];
    let lent = Lent::new(&mut sums);
    pieces(context, x.len(), width, |piece, r| {
        let (for_gain, for_bias) = lent.part(piece * share..(piece + 1) * share).split_at_mut(width);
        let rows = r.start / width..r.end / width;
        let mean = if centred { &mean[rows.clone()] } else { mean };
        norm::norm_grad(&dy[r.clone()], &x[r.clone()], gain, mean, &scales[rows], dx.part(r), for_gain, for_bias);
    })?;
    let totals = [Some(d_gain.data()), d_bias.as_mut().map(|d| d.data())];
    for (offset, total) in totals.into_iter().flatten().enumerate() {
        total.fill(0.0);
        for sums in sums.chunks_exact(share) {
            for (t, s) in total.iter_mut().zip(&sums[offset * width..]) {
                *t += s;
            }
        }
    }
    Ok(())
}

/// The sum of the rows' losses, and the gradient of it by the logits.
fn cross_entropy(context: &ComputeContext, smoothing: f32) -> ort::Result<()> {
    let logits = floats(context, 0)?;
    let (shape, width) = (logits.shape().to_vec(), logits.width());
    drop(logits);
    let (labels, weights) = (ints(context, 1)?, floats(context, 2)?);
    let mut out = floats_mut(context, 1, &shape)?;
    out.start_from(context, 0)?;
    let (labels, weights, all) = (labels.data(), weights.data(), out.data());
    let rows = all.len() / width;
    if labels.len() != rows || weights.len() != rows {
        return Err(Error::new("as many labels and weights as rows of logits are wanted"));
    }
    let mut losses = vec![0.0f32; rows];
    let (grads, each) = (Lent::new(all), Lent::new(&mut losses));
    context.par_for(rows, 0, |row| {
        let grad = grads.part(row * width..(row + 1) * width);
        each.part(row..row + 1)[0] = loss::cross_entropy(grad, labels[row] as usize, weights[row], smoothing);
    })?;
    floats_mut(context, 0, &[])?.data()[0] = losses.iter().map(|&l| f64::from(l)).sum::<f64>() as f32;
    Ok(())
}

/// A table's gradient so far [count, width], ids [rows], gradients [rows, width]: the rows added to the table's.
fn add_rows(context: &ComputeContext, skip: i64) -> ort::Result<()> {
    const RANGES: usize = 16;
    let (ids, dy) = (ints(context, 1)?, floats(context, 2)?);
    let table = floats(context, 0)?;
    let (shape, width) = (table.shape().to_vec(), table.width());
    drop(table);
    let mut out = floats_mut(context, 0, &shape)?;
    out.start_from(context, 0)?;
    let (ids, dy, all) = (ids.data(), dy.data(), out.data());
    let count = all.len() / width;
    if ids.len() * width != dy.len() || ids.iter().any(|&id| id < 0 || id as usize >= count) {
        return Err(Error::new("the ids do not fit the table"));
    }
    let each = count.div_ceil(RANGES);
    let rows = Lent::new(all);
    context.par_for(count.div_ceil(each), 0, |range| {
        let (first, end) = (range * each, ((range + 1) * each).min(count));
        scatter::add_rows(rows.part(first * width..end * width), first, ids, dy, width, skip);
    })
}
