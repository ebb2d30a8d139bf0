//! An array of JavaScript strings in, one text in UTF-8 with the places of each out. Node copies a string's UTF-16 units
//! many times faster than it makes UTF-8 of them; we do that ourselves.

use std::ptr::null_mut;

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Status, ValueType, sys};

use crate::text::utf16::Texts;

/// The argument type of functions that take many texts: the array itself, as long as the call runs.
pub struct JsTexts {
    env: sys::napi_env,
    value: sys::napi_value,
}

/// Handles of so many strings are held at once.
const AT_ONCE: u32 = 1024;

impl TypeName for JsTexts {
    fn type_name() -> &'static str {
        "Array<string>"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for JsTexts {}

impl FromNapiValue for JsTexts {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self { env, value })
    }
}

fn check(status: sys::napi_status, what: impl Fn() -> String) -> napi::Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        other => Err(Error::new(Status::from(other), what())),
    }
}

impl JsTexts {
    /// Copies the texts into `room`. An error names the element that is no string.
    pub fn read(&self, room: Vec<u8>) -> napi::Result<Texts> {
        let (mut texts, mut units) = (Texts::new(room), Vec::<u16>::new());
        let (mut count, mut scope) = (0, null_mut());
        let env = self.env;
        // SAFETY: env and value are those of the running call, each pointer points to a local of the type asked for, and
        // the units are written into room that was reserved for them.
        unsafe {
            let list = || "texts: must be an array of strings".into();
            check(sys::napi_get_array_length(env, self.value, &mut count), list)?;
            for first in (0..count).step_by(AT_ONCE as usize) {
                check(sys::napi_open_handle_scope(env, &mut scope), || "a handle scope can't be opened".into())?;
                let read: napi::Result<()> = (first..count.min(first + AT_ONCE)).try_for_each(|i| {
                    let wrong = || format!("texts[{i}]: must be a string");
                    let (mut element, mut length) = (null_mut(), 0);
                    check(sys::napi_get_element(env, self.value, i, &mut element), wrong)?;
                    check(sys::napi_get_value_string_utf16(env, element, null_mut(), 0, &mut length), wrong)?;
                    units.clear();
                    // One more for the zero behind them.
                    units.reserve(length + 1);
                    let to = units.as_mut_ptr();
                    check(sys::napi_get_value_string_utf16(env, element, to, length + 1, &mut length), wrong)?;
                    units.set_len(length);
                    texts.push(&units);
                    Ok(())
                });
                sys::napi_close_handle_scope(env, scope);
                read?;
            }
        }
        Ok(texts)
    }
}
