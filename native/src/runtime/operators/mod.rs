//! The kernels enter, a domain of operators for the runtime's CPU sessions leaves: names, edges, shapes, and which input's
//! memory an output may take. Each kernel is cut into pieces of fixed size that the runtime's own threads share.

mod attention;
mod product;
mod rows;

use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};

const F32: TensorElementType = TensorElementType::Float32;
const I32: TensorElementType = TensorElementType::Int32;

/// Every operator, under the domain's name.
pub fn domain() -> ort::Result<OperatorDomain> {
    attention::add(product::add(rows::add(OperatorDomain::new("millrace")?)?)?)
}

/// Shapes of the inputs and the node's whole numbers by name in, the output's shape out; none where they don't go together.
type Infer = fn(&[Vec<i64>], &dyn Fn(&str) -> i64) -> Option<Vec<i64>>;

/// How an output's shape follows from the inputs'.
#[derive(Clone, Copy)]
enum Output {
    /// That of an input.
    Like(usize),
    /// That of an input with a last axis of 1.
    Rows(usize),
    Scalar,
    /// As computed.
    By(Infer),
}
use Output::{By, Like, Rows, Scalar};

/// (input, output) pairs that may share memory; an operator names its row.
const SHARED: [&[(u32, u32)]; 6] = [&[], &[(0, 0)], &[(2, 1)], &[(1, 0)], &[(0, 1)], &[(2, 0)]];

type Build = Box<dyn for<'a> Fn(&KernelContext<'a>) -> BoxedKernel<'a> + Send + Sync>;

struct Op<const SHARE: usize> {
    name: &'static str,
    inputs: Vec<TensorElementType>,
    outputs: Vec<Output>,
    build: Build,
}

impl<const SHARE: usize> Op<SHARE> {
    fn new<F, K>(name: &'static str, inputs: &[TensorElementType], outputs: &[Output], build: F) -> Self
    where
        F: Fn(&KernelContext) -> K + Send + Sync + 'static,
        K: FnMut(&ComputeContext) -> ort::Result<()> + Send + 'static,
    {
        let build: Build = Box::new(move |info| Box::new(build(info)));
        Self { name, inputs: inputs.to_vec(), outputs: outputs.to_vec(), build }
    }
}

impl<const SHARE: usize> Operator for Op<SHARE> {
    type Kernel<'attr> = BoxedKernel<'attr>;
    const INPLACES: &[(u32, u32)] = SHARED[SHARE];

    fn name(&self) -> &str {
        self.name
    }
    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        self.inputs.iter().map(|&t| OperatorInput::required(t)).collect::<Vec<_>>()
    }
    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        self.outputs.iter().map(|_| OperatorOutput::required(F32)).collect::<Vec<_>>()
    }
    fn create_kernel<'attr>(&self, info: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        Ok((self.build)(info))
    }
    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let shapes: Vec<Vec<i64>> = context
            .inputs()
            .iter()
            .map(|input| if let ValueType::Tensor { shape, .. } = input { shape.to_vec() } else { Vec::new() })
            .collect();
        for (index, &output) in self.outputs.iter().enumerate() {
            let dims = match output {
                Like(i) => shapes.get(i).cloned(),
                Rows(i) => shapes.get(i).map(|shape| rows_of(shape)),
                Scalar => Some(Vec::new()),
                By(rule) => rule(&shapes, &|name| context.attr(name).unwrap_or(0)),
            };
            let Some(dims) = dims else { continue };
            let dimension_symbols = SymbolicDimensions::empty(dims.len());
            let ty = ValueType::Tensor { ty: F32, shape: Shape::new(dims), dimension_symbols };
            context.set_output(index, &ty)?;
        }
        Ok(())
    }
}

fn rows_of(shape: &[i64]) -> Vec<i64> {
    let mut dims = shape.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = 1;
    }
    dims
}
