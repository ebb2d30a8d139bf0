//! Matrix products as operators: `MatMul` (a, b), `Linear` (a, b, bias), `MatMulAdd` (a, b, start) and `LinearAdd` (a, b, start,
//! bias), whose result may take the memory of what it is added to. Attributes transA, transB and alpha as in com.microsoft's FusedMatMul.

use ort::Error;
use ort::operator::{ComputeContext, KernelContext, OperatorDomain};

use super::{By, F32, Op};
use crate::runtime::kernels::gemm::{Finish, Matrix, Product};
use crate::runtime::lend::{floats, floats_mut};

pub fn add(domain: OperatorDomain) -> ort::Result<OperatorDomain> {
    domain
        .add(Op::<0>::new("MatMul", &[F32; 2], &[By(shape)], |info| kernel(info, None, None)))?
        .add(Op::<0>::new("Linear", &[F32; 3], &[By(shape)], |info| kernel(info, None, Some(2))))?
        .add(Op::<5>::new("MatMulAdd", &[F32; 3], &[By(shape)], |info| kernel(info, Some(2), None)))?
        .add(Op::<5>::new("LinearAdd", &[F32; 4], &[By(shape)], |info| kernel(info, Some(2), Some(3))))
}

fn shape(inputs: &[Vec<i64>], attribute: &dyn Fn(&str) -> i64) -> Option<Vec<i64>> {
    let [a, b, ..] = inputs else { return None };
    Sizes::of(a, b, attribute("transA") != 0, attribute("transB") != 0).map(|sizes| sizes.shape)
}

/// Where the products of a batch lie: `count` of them, one after the other in each tensor.
struct Sizes {
    shape: Vec<i64>,
    count: usize,
    rows: usize,
    columns: usize,
    depth: usize,
    b_stays: bool,
}

impl Sizes {
    /// None where the shapes don't go together: leading axes are equal, or b has none.
    fn of(a: &[i64], b: &[i64], trans_a: bool, trans_b: bool) -> Option<Self> {
        let (&[ref lead @ .., a1, a2], &[ref b_lead @ .., b1, b2]) = (a, b) else { return None };
        let (m, k) = if trans_a { (a2, a1) } else { (a1, a2) };
        let (k2, n) = if trans_b { (b2, b1) } else { (b1, b2) };
        let b_stays = b_lead.is_empty();
        if k != k2 || !(b_stays || lead == b_lead) || a.iter().chain(b).any(|&dim| dim < 0) {
            return None;
        }
        let shape = [lead, &[m, n]].concat();
        let count: usize = lead.iter().map(|&dim| dim as usize).product();
        let (rows, columns, depth) = (m as usize, n as usize, k as usize);
        // Rows of all entries of a are one product with the same b.
        let folded = b_stays && !trans_a;
        let (count, rows) = if folded { (1, count * rows) } else { (count, rows) };
        Some(Self { shape, count, rows, columns, depth, b_stays })
    }
}

/// `start` and `bias` are the inputs that the product is added to.
fn kernel(
    info: &KernelContext,
    start: Option<usize>,
    bias: Option<usize>,
) -> impl FnMut(&ComputeContext) -> ort::Result<()> + Send + use<> {
    let flag = |name: &str| info.get::<i64>(name).unwrap_or(0) != 0;
    let (trans_a, trans_b) = (flag("transA"), flag("transB"));
    let alpha = info.get::<f32>("alpha").unwrap_or(1.0);
    move |context: &ComputeContext| {
        let (a, b) = (floats(context, 0)?, floats(context, 1)?);
        let sizes = Sizes::of(a.shape(), b.shape(), trans_a, trans_b)
            .ok_or_else(|| Error::new("the matrices do not go together"))?;
        let Sizes { ref shape, count, rows, columns, depth, b_stays } = sizes;
        let mut out = floats_mut(context, 0, shape)?;
        let bias = bias.map(|index| floats(context, index)).transpose()?;
        if let Some(index) = start {
            out.start_from(context, index)?;
        }
        let bias = bias.as_ref().map(|bias| bias.row(columns)).transpose()?;
        let layout = |turned: bool, high: usize, wide: usize| if turned { (1, high) } else { (wide, 1) };
        let ((a_row, a_column), (b_row, b_column)) = (layout(trans_a, rows, depth), layout(trans_b, depth, columns));
        let product = Product {
            rows,
            columns,
            depth,
            a: Matrix::new(a.data().as_ptr(), a_row, a_column),
            b: Matrix::new(b.data().as_ptr(), b_row, b_column),
            finish: Finish {
                c: out.data().as_mut_ptr(),
                row: columns,
                columns,
                alpha,
                add: start.is_some(),
                bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
            },
        };
        let pieces = product.pieces();
        context.par_for(count * pieces, count * pieces, |index| {
            let entry = index / pieces;
            let mut own = product;
            own.a.data = own.a.data.wrapping_add(entry * rows * depth);
            if !b_stays {
                own.b.data = own.b.data.wrapping_add(entry * depth * columns);
            }
            own.finish.c = own.finish.c.wrapping_add(entry * rows * columns);
            // SAFETY: the tensors have these shapes, and no other piece writes this one's part of the output.
            unsafe { own.piece(index % pieces) };
        })
    }
}
