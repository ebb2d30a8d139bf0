//! The path of a libonnxruntime enters, the process's one runtime environment leaves.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;

use crate::error::{Error, Result};

/// ONNX Runtime allows one environment a process, so this is process state whether we like it or not. It is never dropped:
/// tearing the runtime down while Node exits has crashed.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Loads the library at its first use; a later call returns what the first one loaded, whatever its path.
pub fn load(path: &Path) -> Result<&'static Environment> {
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let refused = |reason: String| {
        Error::environment(format!("ONNX Runtime can't be loaded from {}: {reason}", path.display()))
            .with_hint("reinstall it with `npm install onnxruntime-node`")
    };
    if !path.is_file() {
        return Err(refused("no such file".into()));
    }
    let builder = ort::init_from(path).map_err(|error| refused(error.to_string()))?;
    let environment =
        builder.with_name("millrace").with_telemetry(false).build().map_err(|error| refused(error.to_string()))?;
    Ok(ENVIRONMENT.get_or_init(|| environment))
}

/// An error of the runtime, with what we were doing.
pub(crate) fn failed(doing: &str) -> impl Fn(ort::Error) -> Error + '_ {
    move |error| Error::internal(format!("ONNX Runtime could not {doing}: {error}"))
}
