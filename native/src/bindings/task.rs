//! A handle that JavaScript makes before it starts long work, to read progress from and to cancel through.

use napi_derive::napi;

use crate::progress::Progress;

#[napi]
#[derive(Default)]
pub struct Task {
    pub(crate) progress: Progress,
}

#[napi]
impl Task {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }
    #[napi]
    pub fn cancel(&self) {
        self.progress.cancel();
    }
    #[napi(getter)]
    pub fn done(&self) -> f64 {
        self.progress.done() as f64
    }
    /// 0 while the total is not known.
    #[napi(getter)]
    pub fn total(&self) -> f64 {
        self.progress.total() as f64
    }
}
