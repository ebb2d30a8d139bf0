//! Long work as a promise: a closure runs on a pool thread, its value resolves the promise, and our error rejects it
//! with its own code.

use napi::bindgen_prelude::{AsyncTask, ToNapiValue, TypeName};
use napi::{Env, JsError, Task};

use super::error::Code;
use crate::error::{Error, Result};

pub struct Work<T> {
    run: Option<Box<dyn FnOnce() -> Result<T> + Send>>,
    error: Option<Error>,
}

/// Runs `work` off the event loop. The closure owns what it needs (an `Arc` of the object it was called on, say).
/// Say `ts_return_type` in the attribute of the function that returns this: the macro can't read the type.
pub fn spawn<T>(work: impl FnOnce() -> Result<T> + Send + 'static) -> AsyncTask<Work<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
{
    AsyncTask::new(Work { run: Some(Box::new(work)), error: None })
}

impl<T> Task for Work<T>
where
    T: ToNapiValue + TypeName + Send + 'static,
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
