//! The tokenizer as a class: strings in, typed arrays out.

use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Float64Array, Int32Array, Uint8Array, Uint32Array};
use napi_derive::napi;

use super::encode_options::{NativeEncodeOptions, NativePadding, NativeTruncation, Read};
use super::error::Result;
use super::task::Task;
use super::texts::JsTexts;
use super::work::{Work, spawn};
use crate::encode::{self, DecodeStream, Encoding, batch};
use crate::error::Error;

/// Columns, one row a token. -1 in `word_ids` and `sequence_ids`: none. `offsets` holds start and end in turn.
#[napi(object)]
pub struct NativeEncoding {
    pub ids: Int32Array,
    pub type_ids: Int32Array,
    pub word_ids: Int32Array,
    pub sequence_ids: Int32Array,
    pub offsets: Uint32Array,
    pub special_tokens_mask: Uint8Array,
    pub attention_mask: Uint8Array,
    pub overflowing: Vec<NativeEncoding>,
}

/// The ids of a batch, which leave once: as an array of their own, or into one that is there.
#[napi]
pub struct NativeBatch {
    ids: Vec<u32>,
    offsets: Vec<f64>,
    spare: Arc<batch::Spare>,
}

#[napi]
impl NativeBatch {
    #[napi(getter)]
    pub fn length(&self) -> f64 {
        self.ids.len() as f64
    }
    #[napi]
    pub fn take_offsets(&mut self) -> Float64Array {
        Float64Array::new(std::mem::take(&mut self.offsets))
    }
    /// The memory comes back when the array is garbage.
    #[napi]
    pub fn take_ids(&mut self) -> Int32Array {
        let (mut ids, spare) = (std::mem::take(&mut self.ids), Arc::clone(&self.spare));
        let (data, len) = (ids.as_mut_ptr(), ids.len());
        // SAFETY: the memory lives in the closure until it is called; u32 and i32 have the same layout, and any bits are one.
        unsafe { Int32Array::with_external_data(data.cast(), len, move |_, _| spare.keep_column(ids)) }
    }
    /// Copies the ids to the front of `to`, where they fit; the memory comes back now.
    #[napi]
    pub fn copy_ids(&mut self, mut to: Int32Array) -> bool {
        // SAFETY: the array belongs to the running call, and nothing else runs on its thread meanwhile.
        let to = unsafe { to.as_mut() };
        let Some(to) = to.get_mut(..self.ids.len()) else { return false };
        to.iter_mut().zip(&self.ids).for_each(|(to, id)| *to = *id as i32);
        self.spare.keep_column(std::mem::take(&mut self.ids));
        true
    }
}

#[napi(object)]
pub struct NativeRoles {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<u32>,
    pub unk: Option<u32>,
    pub cls: Option<u32>,
    pub sep: Option<u32>,
    pub mask: Option<u32>,
}

#[napi(object)]
pub struct NativeAddedToken {
    pub id: u32,
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    pub normalized: bool,
    pub special: bool,
}

fn ints(values: impl Iterator<Item = i32>) -> Int32Array {
    Int32Array::new(values.collect())
}

fn write(encoding: Encoding) -> NativeEncoding {
    NativeEncoding {
        ids: ints(encoding.ids.iter().map(|id| *id as i32)),
        type_ids: ints(encoding.type_ids.iter().map(|id| *id as i32)),
        word_ids: ints(encoding.words.iter().map(|word| word.map_or(-1, |word| word as i32))),
        sequence_ids: ints(encoding.sequences.iter().map(|text| text.map_or(-1, i32::from))),
        offsets: Uint32Array::new(encoding.offsets.iter().flat_map(|(start, end)| [*start, *end]).collect()),
        special_tokens_mask: Uint8Array::new(encoding.special.iter().map(|flag| u8::from(*flag)).collect()),
        attention_mask: Uint8Array::new(encoding.attention.iter().map(|flag| u8::from(*flag)).collect()),
        overflowing: encoding.overflowing.into_iter().map(write).collect(),
    }
}

fn unsigned(ids: &[i32]) -> crate::error::Result<Vec<u32>> {
    ids.iter()
        .map(|id| u32::try_from(*id).map_err(|_| Error::input(format!("id {id} is negative: no token has it"))))
        .collect()
}

#[napi]
pub struct NativeTokenizer {
    inner: Arc<encode::Tokenizer>,
    /// Caches that wait for the next call.
    spare: Arc<batch::Spare>,
}

/// Reads a tokenizer.json off the event loop.
#[napi(ts_return_type = "Promise<NativeTokenizer>")]
pub fn load_tokenizer(json: Uint8Array) -> AsyncTask<Work<NativeTokenizer>> {
    let json = json.to_vec();
    spawn(move || {
        let inner = Arc::new(encode::Tokenizer::from_json(&json)?);
        Ok(NativeTokenizer { inner, spare: Arc::default() })
    })
}

#[napi(object)]
pub struct NativeImport {
    /// vocab.txt, gpt2, tiktoken or sentencepiece.
    pub format: String,
    /// Their contents: one, or vocab.json and merges.txt.
    pub files: Vec<Uint8Array>,
    pub lowercase: bool,
    pub split: String,
    pub special: Vec<String>,
    pub special_ids: Vec<u32>,
}

/// Reads a vocabulary of another form off the event loop.
#[napi(ts_return_type = "Promise<NativeTokenizer>")]
pub fn import_tokenizer(from: NativeImport) -> AsyncTask<Work<NativeTokenizer>> {
    let files: Vec<Vec<u8>> = from.files.iter().map(|bytes| bytes.to_vec()).collect();
    let special: Vec<(String, u32)> = from.special.into_iter().zip(from.special_ids).collect();
    spawn(move || {
        let inner = match (from.format.as_str(), files.as_slice()) {
            ("vocab.txt", [vocab]) => encode::Tokenizer::from_vocab_txt(vocab, from.lowercase),
            ("gpt2", [vocab, merges]) => encode::Tokenizer::from_vocab_and_merges(vocab, merges),
            ("tiktoken", [ranks]) => encode::Tokenizer::from_tiktoken(ranks, &from.split, &special),
            ("sentencepiece", [model]) => encode::Tokenizer::from_sentencepiece(model),
            (other, _) => Err(Error::config(format!("{other:?} is not a form that can be read"))),
        }?;
        Ok(NativeTokenizer { inner: Arc::new(inner), spare: Arc::default() })
    })
}

#[napi(object)]
pub struct NativeFile {
    pub name: String,
    pub bytes: Uint8Array,
}

#[napi]
impl NativeTokenizer {
    /// The files of a form: tokenizer.json, vocab.txt, gpt2 or tiktoken.
    #[napi(ts_return_type = "Promise<Array<NativeFile>>")]
    pub fn to_files(&self, format: String) -> AsyncTask<Work<Vec<NativeFile>>> {
        let inner = Arc::clone(&self.inner);
        spawn(move || {
            let files = inner.to_files(&format)?;
            Ok(files
                .into_iter()
                .map(|(name, bytes)| NativeFile { name: name.to_owned(), bytes: bytes.into() })
                .collect())
        })
    }
    #[napi(getter)]
    pub fn vocab_size(&self) -> u32 {
        self.inner.vocab_size()
    }
    #[napi(getter)]
    pub fn roles(&self) -> NativeRoles {
        let encode::Roles { bos, eos, pad, unk, cls, sep, mask } = self.inner.roles();
        NativeRoles { bos, eos, pad, unk, cls, sep, mask }
    }
    #[napi(getter)]
    pub fn added_tokens(&self) -> Vec<NativeAddedToken> {
        let write = |token: &encode::AddedToken| NativeAddedToken {
            id: token.id,
            content: token.content.clone(),
            single_word: token.single_word,
            lstrip: token.lstrip,
            rstrip: token.rstrip,
            normalized: token.normalized,
            special: token.special,
        };
        self.inner.added_tokens().iter().map(write).collect()
    }
    /// What the file says about truncation.
    #[napi(getter)]
    pub fn truncation(&self) -> Option<NativeTruncation> {
        self.inner.truncation.as_ref().map(NativeTruncation::write)
    }
    /// What the file says about padding.
    #[napi(getter)]
    pub fn padding(&self) -> Option<NativePadding> {
        self.inner.padding.as_ref().map(NativePadding::write)
    }
    #[napi]
    pub fn token_to_id(&self, token: String) -> Option<u32> {
        self.inner.token_to_id(&token)
    }
    #[napi]
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id).map(str::to_owned)
    }

    /// Ids alone.
    #[napi]
    pub fn ids(&self, text: String, add_special_tokens: bool) -> Result<Int32Array> {
        let mut ids = Vec::new();
        self.spare.with(|scratch| self.inner.encode_ids(&text, add_special_tokens, scratch, &mut ids))?;
        Ok(ints(ids.into_iter().map(|id| id as i32)))
    }
    #[napi]
    pub fn encode(&self, text: String, pair: Option<String>, options: NativeEncodeOptions) -> Result<NativeEncoding> {
        let options = Read::new(&options)?;
        let mut encoding = self.inner.encode(&text, pair.as_deref(), &options.get())?;
        if let Some(padding) = &options.padding {
            encode::pad(std::slice::from_mut(&mut encoding), padding);
        }
        Ok(write(encoding))
    }
    /// `pairs` is empty or as long as `texts`.
    #[napi(ts_return_type = "Promise<Array<NativeEncoding>>")]
    pub fn encode_all(
        &self,
        texts: Vec<String>,
        pairs: Vec<String>,
        options: NativeEncodeOptions,
        threads: u32,
        task: &Task,
    ) -> Result<AsyncTask<Work<Vec<NativeEncoding>>>> {
        let (inner, progress, options) = (Arc::clone(&self.inner), task.progress.clone(), Read::new(&options)?);
        Ok(spawn(move || {
            let mut all = batch::encode_all(&inner, &texts, &pairs, &options.get(), threads as usize, &progress)?;
            if let Some(padding) = &options.padding {
                encode::pad(&mut all, padding);
            }
            Ok(all.into_iter().map(write).collect())
        }))
    }
    #[napi(ts_return_type = "Promise<NativeBatch>")]
    pub fn encode_batch(
        &self,
        #[napi(ts_arg_type = "Array<string>")] texts: JsTexts,
        add_special_tokens: bool,
        threads: u32,
        task: &Task,
    ) -> napi::Result<AsyncTask<Work<NativeBatch>>> {
        let (inner, spare, progress) = (Arc::clone(&self.inner), Arc::clone(&self.spare), task.progress.clone());
        let texts = texts.read(spare.room())?;
        Ok(spawn(move || {
            let batch =
                batch::encode_batch(&inner, &texts.all(), add_special_tokens, threads as usize, &spare, &progress)?;
            spare.keep_room(texts.into_room());
            let offsets = batch.offsets.into_iter().map(|at| at as f64).collect();
            Ok(NativeBatch { ids: batch.ids, offsets, spare })
        }))
    }
    #[napi]
    pub fn decode(&self, ids: Int32Array, skip_special_tokens: bool) -> Result<String> {
        Ok(self.inner.decode(&unsigned(&ids)?, skip_special_tokens)?)
    }
    #[napi]
    pub fn stream(&self, skip_special_tokens: bool) -> NativeDecodeStream {
        NativeDecodeStream { tokenizer: Arc::clone(&self.inner), inner: DecodeStream::new(skip_special_tokens) }
    }
}

#[napi]
pub struct NativeDecodeStream {
    tokenizer: Arc<encode::Tokenizer>,
    inner: DecodeStream,
}

#[napi]
impl NativeDecodeStream {
    /// The text that these ids complete.
    #[napi]
    pub fn push(&mut self, ids: Int32Array) -> Result<String> {
        let mut out = String::new();
        for id in unsigned(&ids)? {
            out.push_str(&self.inner.push(&self.tokenizer, id)?);
        }
        Ok(out)
    }
    #[napi]
    pub fn finish(&mut self) -> Result<String> {
        Ok(self.inner.finish(&self.tokenizer)?)
    }
}
