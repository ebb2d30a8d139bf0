//! Rows of floats enter, rows of floats leave: what a training step computes between its matrix products, each in one pass
//! over memory. `operators` offers them to the runtime. Results do not depend on the number of threads.

pub mod activation;
pub mod attention;
pub mod gemm;
pub mod loss;
pub mod math;
pub mod norm;
pub mod scatter;
pub mod softmax;
