//! Rows to Arrow IPC.
