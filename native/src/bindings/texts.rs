//! An array of JavaScript strings in, one array of their UTF-16 units out: a plain copy, so that the event loop is soon
//! free; what turns them into UTF-8 runs elsewhere.

use std::ptr::null_mut;

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Status, ValueType, sys};

use crate::text::utf16::Texts;

/// The argument type of functions that take many texts.
pub struct JsTexts(pub Texts);

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

fn check(status: sys::napi_status, what: impl Fn() -> String) -> napi::Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        other => Err(Error::new(Status::from(other), what())),
    }
}

impl FromNapiValue for JsTexts {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        let mut texts = Texts::default();
        let (mut count, mut scope) = (0, null_mut());
        // SAFETY: env and value are those of the running call, each pointer points to a local of the type asked for, and
        // the units are written into room that was reserved for them.
        unsafe {
            check(sys::napi_get_array_length(env, value, &mut count), || "texts: must be an array of strings".into())?;
            texts.ends.reserve(count as usize);
            for first in (0..count).step_by(AT_ONCE as usize) {
                check(sys::napi_open_handle_scope(env, &mut scope), || "a handle scope can't be opened".into())?;
                let read: napi::Result<()> = (first..count.min(first + AT_ONCE)).try_for_each(|i| {
                    let wrong = || format!("texts[{i}]: must be a string");
                    let (mut element, mut length) = (null_mut(), 0);
                    check(sys::napi_get_element(env, value, i, &mut element), wrong)?;
                    check(sys::napi_get_value_string_utf16(env, element, null_mut(), 0, &mut length), wrong)?;
                    let at = texts.units.len();
                    // One more for the zero behind them.
                    texts.units.reserve(length + 1);
                    let room = texts.units.as_mut_ptr().add(at);
                    check(sys::napi_get_value_string_utf16(env, element, room, length + 1, &mut length), wrong)?;
                    texts.units.set_len(at + length);
                    texts.ends.push(at + length);
                    Ok(())
                });
                sys::napi_close_handle_scope(env, scope);
                read?;
            }
        }
        Ok(Self(texts))
    }
}
