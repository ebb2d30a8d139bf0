//! `Attention` and its gradient as operators: softmax(scale q k^T + mask) v for heads that lie side by side in each row, without
//! a tensor of weights in memory. Inputs q [batch, queries, heads * width], k and v [batch, keys, kv_heads * width], mask
//! [1 or batch, 1, 1 or queries, keys] or a scalar for none, dropout [batch, heads, queries, keys] in any shape or a scalar.

use ort::Error;
use ort::operator::{ComputeContext, KernelContext, OperatorDomain};

use super::{By, F32, Like, Op};
use crate::runtime::kernels::attention::{Grads, Head, Sizes, backward, forward};
use crate::runtime::kernels::gemm::Matrix;
use crate::runtime::lend::{In, Lent, floats, floats_mut};

pub fn add(domain: OperatorDomain) -> ort::Result<OperatorDomain> {
    domain
        .add(Op::<0>::new("Attention", &[F32; 5], &[Like(0), By(sums)], |info| {
            let settings = Settings::of(info);
            move |context: &ComputeContext| attention(context, settings)
        }))?
        .add(Op::<0>::new("AttentionGrad", &[F32; 7], &[Like(0), Like(1), Like(2)], |info| {
            let settings = Settings::of(info);
            move |context: &ComputeContext| attention_grad(context, settings)
        }))
}

/// [batch, heads, queries, 2]: what makes a query's weights again.
fn sums(inputs: &[Vec<i64>], attribute: &dyn Fn(&str) -> i64) -> Option<Vec<i64>> {
    let &[batch, queries, _] = inputs.first()?.as_slice() else { return None };
    Some(vec![batch, attribute("heads"), queries, 2])
}

#[derive(Clone, Copy)]
struct Settings {
    heads: usize,
    kv_heads: usize,
    scale: f32,
}

impl Settings {
    fn of(info: &KernelContext) -> Self {
        let count = |name: &str| info.get::<i64>(name).unwrap_or(1).max(1) as usize;
        Self { heads: count("heads"), kv_heads: count("kv_heads"), scale: info.get("scale").unwrap_or(1.0) }
    }
}

/// The five inputs, checked: what the threads share.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    mask: &'a [f32],
    dropout: &'a [f32],
    sizes: Sizes,
    settings: Settings,
    batch: usize,
    /// Elements of a row of q, and of k and v.
    rows: (usize, usize),
    /// Elements of the mask from entry to entry, and of an entry.
    masks: (usize, usize),
}

impl<'a> Inputs<'a> {
    fn of([q, k, v, mask, dropout]: &'a [In<'a, f32>; 5], settings: Settings) -> ort::Result<Self> {
        let wrong = |what: &str| Error::new(format!("attention: {what}"));
        let (&[batch, queries, q_row], &[k_batch, keys, row]) = (q.shape(), k.shape()) else {
            return Err(wrong("queries and keys of three axes are wanted"));
        };
        let Settings { heads, kv_heads, scale } = settings;
        let width = q_row as usize / heads;
        let fits = k_batch == batch && v.shape() == k.shape() && heads % kv_heads == 0;
        if !fits || width * heads != q_row as usize || width * kv_heads != row as usize {
            return Err(wrong("queries, keys and values do not fit each other"));
        }
        let masks = match *mask.shape() {
            [] => (0, 0),
            [b, 1, m, n] if (b == 1 || b == batch) && (m == 1 || m == queries) && n == keys => {
                let each = (m * n) as usize;
                (if b == 1 { 0 } else { each }, each)
            }
            _ => return Err(wrong("the mask does not fit the scores")),
        };
        let (batch, queries, keys) = (batch as usize, queries as usize, keys as usize);
        let none = dropout.shape().is_empty();
        let dropout = if none { &[] } else { dropout.row(batch * heads * queries * keys)? };
        let sizes = Sizes { queries, keys, width, scale };
        let rows = (q_row as usize, row as usize);
        let (q, k, v, mask) = (q.data(), k.data(), v.data(), mask.data());
        Ok(Self { q, k, v, mask, dropout, sizes, settings, batch, rows, masks })
    }

    /// The head's number among all of the batch.
    fn number(&self, entry: usize, head: usize) -> usize {
        entry * self.settings.heads + head
    }
    /// Where the head's first row begins in tensors like q, and in those like k.
    fn begins(&self, entry: usize, head: usize) -> (usize, usize) {
        let Sizes { queries, keys, width, .. } = self.sizes;
        let own = head / (self.settings.heads / self.settings.kv_heads);
        (entry * queries * self.rows.0 + head * width, entry * keys * self.rows.1 + own * width)
    }

    fn head(&self, entry: usize, head: usize) -> Head<'a> {
        let each = self.sizes.queries * self.sizes.keys;
        let number = self.number(entry, head);
        let (q, kv) = self.begins(entry, head);
        let (step, length) = self.masks;
        Head {
            q: Matrix::new(self.q[q..].as_ptr(), self.rows.0, 1),
            k: Matrix::new(self.k[kv..].as_ptr(), self.rows.1, 1),
            v: Matrix::new(self.v[kv..].as_ptr(), self.rows.1, 1),
            mask: &self.mask[entry * step..entry * step + length],
            dropout: self.dropout.get(number * each..(number + 1) * each).unwrap_or(&[]),
        }
    }
}

fn inputs<'a>(context: &'a ComputeContext) -> ort::Result<[In<'a, f32>; 5]> {
    let at = |index| floats(context, index);
    Ok([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?])
}

fn attention(context: &ComputeContext, settings: Settings) -> ort::Result<()> {
    let tensors = inputs(context)?;
    let inputs = Inputs::of(&tensors, settings)?;
    let (batch, queries, heads) = (inputs.batch, inputs.sizes.queries, settings.heads);
    let mut out = floats_mut(context, 0, tensors[0].shape())?;
    let mut sums = floats_mut(context, 1, &[batch as i64, heads as i64, queries as i64, 2])?;
    let (out, sums) = (Lent::new(out.data()), Lent::new(sums.data()));
    context.par_for(batch * heads, batch * heads, |index| {
        let (entry, head) = (index / heads, index % heads);
        let sums = sums.part(2 * index * queries..2 * (index + 1) * queries);
        let target = out.address(inputs.begins(entry, head).0);
        // SAFETY: the tensors were checked; each head writes columns of its own.
        unsafe { forward(inputs.sizes, &inputs.head(entry, head), (target, inputs.rows.0), sums.as_chunks_mut().0) };
    })
}

/// The five inputs, the sums, and the gradient of the output.
fn attention_grad(context: &ComputeContext, settings: Settings) -> ort::Result<()> {
    let tensors = inputs(context)?;
    let inputs = Inputs::of(&tensors, settings)?;
    let (sums, d) = (floats(context, 5)?, floats(context, 6)?);
    let (batch, queries) = (inputs.batch, inputs.sizes.queries);
    let Settings { heads, kv_heads, .. } = settings;
    let d = d.same_as(&tensors[0])?;
    let sums = sums.row(2 * batch * heads * queries)?;
    let mut grads = [0, 1, 2].map(|index| floats_mut(context, index, tensors[index].shape()));
    let [Ok(dq), Ok(dk), Ok(dv)] = &mut grads else { return Err(Error::new("an output is missing")) };
    let (dq, dk, dv) = (Lent::new(dq.data()), Lent::new(dk.data()), Lent::new(dv.data()));
    let group = heads / kv_heads;
    // Heads that share keys are one piece: they add into the same gradients, in order.
    context.par_for(batch * kv_heads, batch * kv_heads, |index| {
        let entry = index / kv_heads;
        for member in 0..group {
            let head = index % kv_heads * group + member;
            let (q, kv) = inputs.begins(entry, head);
            let number = inputs.number(entry, head);
            let own = sums[2 * number * queries..2 * (number + 1) * queries].as_chunks().0;
            let d = Matrix::new(d[q..].as_ptr(), inputs.rows.0, 1);
            let grads = Grads {
                q: dq.address(q),
                k: dk.address(kv),
                v: dv.address(kv),
                q_row: inputs.rows.0,
                row: inputs.rows.1,
                add: member > 0,
            };
            // SAFETY: the tensors were checked; each piece writes columns of its own.
            unsafe { backward(inputs.sizes, &inputs.head(entry, head), d, own, grads) };
        }
    })
}
