//! Rows just made in, the same rows with their masks drawn and stored out, where a task wants masks that stay the same.

use super::mask::{Masker, Scratch, Stored};
use crate::dataset::columns::{Ids, int_list};
use crate::dataset::plan::{Plan, Task};
use crate::dataset::rng::Purpose;
use crate::dataset::rows::finish;
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Place};
use crate::error::Result;

/// `input_ids` are masked in place; `masked_positions` and `masked_labels: list<int32>` say what stood where.
/// Row n draws from the stream n of its place.
pub fn mask(plan: &Plan, assembled: Assembled, place: Place) -> Result<Assembled> {
    let (masking, pairs) = match &plan.task {
        Task::Mlm(task) => (&task.masking, false),
        Task::Pair(task) => (&task.masking, true),
        _ => return Ok(assembled),
    };
    let Some(rows) = assembled.rows.as_ref().filter(|_| masking.fixed) else { return Ok(assembled) };
    let shard = Shard::new(std::path::Path::new("rows"), rows)?;
    let masker = Masker::new(masking, &plan.vocabulary)?;
    let (mut scratch, mut stored) =
        (Scratch::default(), Stored::with_capacity(rows.num_rows(), masking.max_predictions.min(plan.seq_len)));
    let mut ids = Ids::with_capacity(plan.narrow(), rows.num_rows() * plan.seq_len);
    let (mut row, mut labels) = (vec![0; plan.seq_len], vec![0; plan.seq_len]);
    for number in 0..rows.num_rows() {
        shard.input_ids(number, &mut row);
        let length = if pairs { shard.ints("length")?[number] } else { shard.lengths(number)?.iter().sum() };
        let mut rng = place.rng(plan.seed, Purpose::Mask, 0, number);
        let word = shard.flag(number);
        let word = word.as_ref().map(|word| word as &dyn Fn(usize) -> bool);
        masker.mask(&mut row[..length as usize], &mut labels, word, &mut rng, &mut scratch);
        stored.push(scratch.places(), &labels);
        ids.extend_signed(&row);
    }
    let mut columns = vec![ids.fixed("input_ids", plan.seq_len)?];
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()).skip(1) {
        columns.push((field.as_ref().clone(), column.clone()));
    }
    columns.push(int_list("masked_positions", stored.positions, &stored.ends)?);
    columns.push(int_list("masked_labels", stored.labels, &stored.ends)?);
    finish(plan, columns, assembled.carry, assembled.counts)
}
