fn main() {
    // Node resolves its own symbols at load time; a plain Rust build (tests, benches) has none of them.
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
