//! CUDA kernels under emulation.
use mlnotes::kernels::prefix_sum::{Version, plan, plan_linear};
use mlnotes::kernels::{PREFIX_SUM, emulate::{Module, Order}};

#[test]
fn smoke() {
    let module = Module::load(PREFIX_SUM).unwrap();
    for n in [1, 2, 31, 32, 33, 1000, 4000, 20000] {
        let x: Vec<f32> = (0..n).map(|i| ((i * 7) % 5) as f32).collect();
        for version in Version::ALL {
            for seed in [0, 1, 2] {
            let start = std::time::Instant::now();
            let mut p = plan(version, &x).unwrap();
            module.run_in(&mut p, Order { seed, ..Order::default() }).unwrap();
            let y = p.f32("y").unwrap();
            let mut s = 0.0;
            for i in 0..n { s += x[i]; assert_eq!(y[i], s, "{version:?} {n} {i}"); }
            let pairs: Vec<f32> = (0..2*n).map(|i| if i%2==0 {0.5} else {x[i/2]}).collect();
            let mut p = plan_linear(version, &pairs).unwrap();
            module.run_in(&mut p, Order { seed, ..Order::default() }).unwrap();
            println!("{version:?} {n} {seed} {:?}", start.elapsed());
            }
        }
    }
}
