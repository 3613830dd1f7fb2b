//! runner
fn main() { evcxr::runtime_hook(); }
