//! Long work as a promise: a closure runs on a pool thread, its value resolves the promise, and our error rejects it
//! with its own code.

use napi::bindgen_prelude::{AsyncTask, ToNapiValue, TypeName};
use napi::{Env, JsError, Task};

use super::error::Code;
use crate::error::{Error, Result};

pub struct Work<T, F> {
    run: Option<F>,
    error: Option<Error>,
    value: std::marker::PhantomData<fn() -> T>,
}

/// Runs `work` off the event loop. The closure owns what it needs (an `Arc` of the object it was called on, say).
pub fn spawn<T, F>(work: F) -> AsyncTask<Work<T, F>>
where
    T: ToNapiValue + TypeName + Send + 'static,
    F: FnOnce() -> Result<T> + Send,
{
    AsyncTask::new(Work { run: Some(work), error: None, value: std::marker::PhantomData })
}

impl<T, F> Task for Work<T, F>
where
    T: ToNapiValue + TypeName + Send + 'static,
    F: FnOnce() -> Result<T> + Send,
{
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> napi::Result<T> {
        let result = match self.run.take() {
            Some(run) => run(),
            None => Err(Error::internal("this work was started twice")),
        };
        result.map_err(|error| {
            let reason = error.to_string();
            self.error = Some(error);
            napi::Error::from_reason(reason)
        })
    }

    fn resolve(&mut self, _: Env, output: T) -> napi::Result<T> {
        Ok(output)
    }

    fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<T> {
        Err(match self.error.take() {
            Some(ours) => JsError::from(napi::Error::<Code>::from(ours)).into_unknown(env).into(),
            None => error,
        })
    }
}
