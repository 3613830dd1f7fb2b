//! Executes, checks, serves and publishes the notebooks of mlnotes.
mod diagnostic;
mod runtime;
mod session;
mod slot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    runtime::hook();
    let slot = slot::Slot::take(&slot::home(), Some(std::path::Path::new("/work/main/Cargo.lock"))).unwrap();
    slot.enter();
    let t = std::time::Instant::now();
    let mut s = session::Session::start(1 << 20, Box::new(|stream, line| println!("   {stream:?} {line}"))).unwrap();
    println!("started {:?}", t.elapsed());
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(path).unwrap();
        for cell in text.split("---\n") {
            println!(">>> {cell}");
            let t = std::time::Instant::now();
            let o = s.execute(cell);
            println!("{:?} {:?}", t.elapsed(), o.data);
            if let Some(f) = o.failure { println!("{:?} {}\n{}", f.kind, f.message, f.traceback.join("\n")); }
        }
    }
}
