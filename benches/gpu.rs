//! How long do the kernels take on a GPU? `cargo bench --features cuda --bench gpu >> data/bench/gpu.csv`
//!
//! Each version first has to give what the CPU gives in f64, from outputs that were filled with NaN; then 5 runs to warm
//! up and 50 that are timed, before each of them the outputs filled with NaN again and the second-level cache emptied.
//! A line holds median, 10th and 90th percentile, the bytes that inputs and results have, these per second, and for
//! comparison what a plain copy moves per second, read and written. Add `-- --no-header` to add to a file.

use mlnotes::kernels::cuda::{Device, Module};
use mlnotes::kernels::selective_scan::{self, Backward, Precision};
use mlnotes::kernels::{Data, PREFIX_SUM, Plan, Role, SELECTIVE_SCAN, prefix_sum};
use mlnotes::random::RandomState;
use mlnotes::ssm::selective::{Inputs, Shape, selective_scan_backward_stored, selective_scan_seq};
use mlnotes::{Error, Result};

const HEADER: &str = "date,device,command,operation,version,precision,workload,median_ms,p10_ms,p90_ms,bytes,gb_per_s,copy_gb_per_s,agreement";
const WARM_UP: usize = 5;
const REPEATS: usize = 50;
/// The slowest versions are for small inputs.
const SMALL: usize = 1 << 16;

fn main() -> Result<()> {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let bench = Bench::new(Device::new(0)?)?;
    if !std::env::args().any(|arg| arg == "--no-header") {
        println!("{HEADER}");
    }
    bench.prefix_sums()?;
    for shape in [[1, 2048, 256, 16], [4, 1024, 256, 16], [8, 2048, 1536, 16], [1, 16_384, 1536, 16]] {
        bench.selective_scans(shape)?;
    }
    Ok(())
}

struct Bench {
    device: Device,
    name: String,
    date: String,
    copy: f64,
}

/// What one line is of.
struct Line<'a> {
    operation: &'a str,
    version: String,
    precision: Precision,
    workload: String,
    /// Buffers that hold results, beside the inputs.
    results: &'a [&'a str],
}

impl Bench {
    fn new(device: Device) -> Result<Self> {
        let (name, copy) = (device.name()?, device.copy_bandwidth()?);
        let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
        Ok(Self { device, name, date: date(seconds), copy })
    }

    fn prefix_sums(&self) -> Result<()> {
        let module = self.device.load(PREFIX_SUM)?;
        for n in [1000, SMALL, 1 << 20, 1 << 26] {
            let mut random = RandomState::new(n as u32);
            let x: Vec<f32> = (0..n).map(|_| random.uniform() as f32 - 0.5).collect();
            let sums = x.iter().scan(0.0, |sum, &x| {
                *sum += f64::from(x);
                Some(*sum)
            });
            let want: Vec<f64> = sums.collect();
            for version in prefix_sum::Version::ALL {
                if n > SMALL && version == prefix_sum::Version::Sequential {
                    continue;
                }
                let line = Line {
                    operation: "prefix_sum",
                    version: format!("v{}", version.number()),
                    precision: Precision::F32,
                    workload: format!("n={n}"),
                    results: &["y"],
                };
                self.line(&module, prefix_sum::plan(version, &x)?, &[("y", &want)], line)?;
            }
        }
        Ok(())
    }

    fn selective_scans(&self, [batch, length, channels, state]: [usize; 4]) -> Result<()> {
        let module = self.device.load(SELECTIVE_SCAN)?;
        let shape = Shape { batch, length, channels, state };
        let workload = format!("B={batch} L={length} D={channels} N={state}");
        let multiprocessors = self.device.multiprocessors()?;
        // Four blocks for each multiprocessor, and no chunk under 32 steps.
        let across = batch * channels.div_ceil(128);
        let chunks = (4 * multiprocessors).div_ceil(across).min(length.div_ceil(32));
        let versions = [
            ("v1", selective_scan::Version::Materialised),
            ("v2", selective_scan::Version::Fused),
            ("v3", selective_scan::Version::WarpScan),
            ("v4", selective_scan::Version::Chunked { chunks }),
        ];
        for precision in [Precision::F32, Precision::Bf16] {
            let values = Values::new(shape, precision);
            let wide = values.wide();
            let (want, gradients) = wide.oracle()?;
            for (name, version) in versions {
                if name == "v1" && precision == Precision::Bf16 {
                    continue;
                }
                let line = Line {
                    operation: "selective_scan",
                    version: if name == "v4" { format!("v4 ({chunks} chunks)") } else { name.to_string() },
                    precision,
                    workload: workload.clone(),
                    results: &["y", "last"],
                };
                self.line(
                    &module,
                    selective_scan::forward(version, precision, &values.inputs()?)?,
                    &[("y", &want)],
                    line,
                )?;
            }
            for (name, version) in [("b1", Backward::Stored), ("b2", Backward::Recomputed)] {
                if name == "b1" && precision == Precision::Bf16 {
                    continue;
                }
                let line = Line {
                    operation: "selective_scan forward and backward",
                    version: name.to_string(),
                    precision,
                    workload: workload.clone(),
                    results: &["y", "last", "du", "ddelta", "dA", "dB", "dC", "dinitial"],
                };
                let plan = selective_scan::backward(version, precision, &values.inputs()?, &values.dy, None)?;
                let want: Vec<(&str, &[f64])> =
                    gradients.iter().map(|(name, values)| (*name, values.as_slice())).collect();
                self.line(&module, plan, &want, line)?;
            }
        }
        Ok(())
    }

    /// Checks, times, prints.
    fn line(&self, module: &Module, mut plan: Plan, want: &[(&str, &[f64])], line: Line<'_>) -> Result<()> {
        let resident = module.upload(&plan)?;
        resident.run()?;
        resident.fetch(&mut plan)?;
        let tolerance = if line.precision == Precision::Bf16 { 1.0 / 256.0 } else { 2e-4 };
        let mut agreement = 0.0_f64;
        for (name, want) in want {
            let off = off(&plan.f32(name)?, want);
            if off > tolerance || off.is_nan() {
                let what = format!("{} {} {} {}", line.operation, line.version, line.workload, name);
                return Err(Error::domain(
                    "agreement",
                    format!("{off:.1e} ({what})"),
                    format!("at most {tolerance:.1e}"),
                ));
            }
            agreement = agreement.max(off);
        }
        let mut milliseconds = resident.time(WARM_UP, REPEATS)?;
        milliseconds.sort_by(f32::total_cmp);
        let at = |share: usize| milliseconds[REPEATS * share / 100];
        let counted = |buffer: &&mlnotes::kernels::Buffer| {
            buffer.role == Role::Input || line.results.contains(&buffer.name.as_str())
        };
        let bytes: usize = plan.buffers().iter().filter(counted).map(|b| b.data.len() * b.data.element_bytes()).sum();
        let rate = bytes as f64 / f64::from(at(50)) / 1e6;
        println!(
            "{},{},cargo bench --features cuda --bench gpu,{},{},{:?},{},{:.4},{:.4},{:.4},{bytes},{rate:.1},{:.1},{agreement:.1e}",
            self.date,
            self.name,
            line.operation,
            line.version,
            line.precision,
            line.workload,
            at(50),
            at(10),
            at(90),
            self.copy / 1e9,
        );
        Ok(())
    }
}

/// The largest difference, relative to the largest value; NaN where there is one.
fn off(got: &[f32], want: &[f64]) -> f64 {
    let largest = want.iter().fold(1e-30_f64, |largest, want| largest.max(want.abs()));
    got.iter()
        .zip(want)
        .map(|(&got, &want)| (f64::from(got) - want).abs() / largest)
        .fold(0.0, |worst: f64, off| if off > worst || off.is_nan() { off } else { worst })
}

/// Inputs of a selective scan, in f32 for the GPU or in f64 for its oracle.
struct Values<T> {
    shape: Shape,
    u: Vec<T>,
    delta: Vec<T>,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
    dy: Vec<T>,
}

impl Values<f32> {
    fn new(shape: Shape, precision: Precision) -> Self {
        let Shape { batch, length, channels, state } = shape;
        let mut random = RandomState::new(1);
        let mut sequence = |len: usize, shift: f64| -> Vec<f32> {
            let values: Vec<f32> = (0..len).map(|_| (random.normal() + shift) as f32).collect();
            if precision == Precision::Bf16 { Data::bf16(&values).to_f32() } else { values }
        };
        let rows = batch * length;
        Self {
            u: sequence(rows * channels, 0.0),
            // As Mamba starts: Δ between 0.001 and 0.1, most of it.
            delta: sequence(rows * channels, -4.0),
            b: sequence(rows * state, 0.0),
            c: sequence(rows * state, 0.0),
            dy: sequence(rows * channels, 0.0),
            a: (0..channels * state).map(|i| -((i % state + 1) as f32)).collect(),
            shape,
        }
    }

    fn inputs(&self) -> Result<Inputs<'_, f32>> {
        Ok(Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c)?.softplus(true))
    }

    fn wide(&self) -> Values<f64> {
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        let [u, delta, a, b, c, dy] =
            [&self.u, &self.delta, &self.a, &self.b, &self.c, &self.dy].map(|values| wide(values));
        Values { shape: self.shape, u, delta, a, b, c, dy }
    }
}

impl Values<f64> {
    #[expect(clippy::type_complexity, reason = "y, and the gradients by name")]
    fn oracle(&self) -> Result<(Vec<f64>, Vec<(&'static str, Vec<f64>)>)> {
        // States of 0, by which the kernels give a gradient too.
        let initial = vec![0.0; self.shape.batch * self.shape.channels * self.shape.state];
        let inputs = Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c)?.softplus(true);
        let inputs = inputs.initial(&initial)?;
        let y = selective_scan_seq(&inputs)?.y;
        let g = selective_scan_backward_stored(&inputs, &self.dy, None)?;
        let mut gradients = vec![("du", g.u), ("ddelta", g.delta), ("dA", g.a), ("dB", g.b), ("dC", g.c)];
        gradients.extend(g.initial.map(|initial| ("dinitial", initial)));
        Ok((y, gradients))
    }
}

/// Year, month and day of seconds since 1970 (Howard Hinnant's algorithm).
fn date(seconds: u64) -> String {
    let days = seconds as i64 / 86_400 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + i64::from(month <= 2))
}
