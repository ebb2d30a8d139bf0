//! Ids to rows.
