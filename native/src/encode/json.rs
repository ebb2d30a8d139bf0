//! Reading tokenizer.json with a finger on the key: every value knows the path that leads to it, and says it when it
//! complains.

use serde_json::Value;

use crate::error::{Error, Result};

/// A JSON value and its path, such as `pre_tokenizer.pretokenizers[1]`.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub value: &'a Value,
    pub path: String,
}

impl<'a> At<'a> {
    pub fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// An error about this value.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::input(format!("{}: {message}", self.path))
    }

    fn wants(&self, what: &str) -> Error {
        let shown = self.value.to_string();
        let short: String = shown.chars().take(60).collect();
        self.error(format!("must be {what}, not {short}{}", if short.len() < shown.len() { "..." } else { "" }))
    }

    /// The member `key`, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key)?;
        (!value.is_null()).then(|| At::new(value, format!("{}.{key}", self.path)))
    }

    pub fn need(&self, key: &str) -> Result<At<'a>> {
        if !self.value.is_object() {
            return Err(self.wants("an object"));
        }
        self.get(key).ok_or_else(|| self.error(format!("`{key}` is missing")))
    }

    /// Complains about a member that nobody reads: what it asks for would be silently left undone.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        let object = self.value.as_object().ok_or_else(|| self.wants("an object"))?;
        match object.keys().find(|key| *key != "type" && !known.contains(&key.as_str())) {
            Some(key) => Err(self.error(format!("`{key}` is not an option that Millrace knows"))),
            None => Ok(()),
        }
    }

    pub fn kind(&self) -> Result<&'a str> {
        self.need("type")?.str()
    }

    pub fn str(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wants("a string"))
    }

    pub fn bool(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wants("true or false"))
    }

    pub fn char(&self) -> Result<char> {
        let mut chars = self.str()?.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(self.wants("a single character")),
        }
    }

    pub fn f64(&self) -> Result<f64> {
        self.value.as_f64().ok_or_else(|| self.wants("a number"))
    }

    pub fn u32(&self) -> Result<u32> {
        self.value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| self.wants("a whole number from 0 to 4294967295"))
    }

    pub fn usize(&self) -> Result<usize> {
        self.value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| self.wants("a whole number from 0"))
    }

    pub fn list(&self) -> Result<Vec<At<'a>>> {
        let list = self.value.as_array().ok_or_else(|| self.wants("a list"))?;
        Ok(list.iter().enumerate().map(|(i, value)| At::new(value, format!("{}[{i}]", self.path))).collect())
    }

    pub fn object(&self) -> Result<Vec<(&'a str, At<'a>)>> {
        let map = self.value.as_object().ok_or_else(|| self.wants("an object"))?;
        Ok(map.iter().map(|(k, v)| (k.as_str(), At::new(v, format!("{}[{k:?}]", self.path)))).collect())
    }

    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |at| at.bool())
    }
}
