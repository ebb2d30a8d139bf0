//! Conversations to encoded documents in which only the assistant's words are targets: rows are then packed as causal ones.
//!
//! A record is a list of messages (`[{"role": "user", "content": "..."}, ...]`), or a prompt and a completion in two fields.
//! Each message is written as `prefix`, with `{role}` filled in, its content, and `suffix`; the content and the suffix of the
//! assistant's messages are the targets.

use serde::{Deserialize, Serialize};

use super::causal::Pack;
use crate::dataset::encoder::Session;
use crate::dataset::tokens::{TARGET, TokenDocs};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    pub pack: Pack,
    pub prefix: String,
    pub suffix: String,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

/// Appends a conversation. The error is the reason to refuse the record.
pub fn document(
    task: &Chat,
    fields: &[std::borrow::Cow<'_, str>],
    session: &mut dyn Session,
    docs: &mut TokenDocs,
) -> Result<std::result::Result<(), String>> {
    let messages = match fields {
        [prompt, completion, ..] => vec![
            Message { role: "user".into(), content: prompt.to_string() },
            Message { role: "assistant".into(), content: completion.to_string() },
        ],
        _ => match serde_json::from_str::<Vec<Message>>(&fields[0]) {
            Ok(messages) => messages,
            Err(error) => return Ok(Err(format!("not a list of messages with role and content: {error}"))),
        },
    };
    if !messages.iter().any(|message| message.role == "assistant") {
        return Ok(Err("no message of the assistant: there would be nothing to learn".into()));
    }
    let mut add = |text: &str, mark: u8, docs: &mut TokenDocs| -> Result<()> {
        session.encode(text, &mut docs.ids)?;
        docs.marks.resize(docs.ids.len(), mark);
        Ok(())
    };
    docs.ids.extend(task.bos);
    docs.marks.resize(docs.ids.len(), 0);
    for message in &messages {
        let mark = if message.role == "assistant" { TARGET } else { 0 };
        add(&task.prefix.replace("{role}", &message.role), 0, docs)?;
        add(&message.content, mark, docs)?;
        add(&task.suffix, mark, docs)?;
    }
    let last = messages.last().is_some_and(|message| message.role == "assistant");
    docs.ids.extend(task.eos);
    docs.marks.resize(docs.ids.len(), if last { TARGET } else { 0 });
    docs.ends.push(docs.ids.len());
    Ok(Ok(()))
}
