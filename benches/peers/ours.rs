//! Our side of `benches/peers/run`: a process that computes what it is told on standard input.
//!
//! Commands, one a line: `answer <topic> <workload>` prints the result's numbers on one line; `time <topic> <workload>
//! <count>` runs it that often and prints the mean in milliseconds. `cargo bench` alone only lists the workloads.

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use mlnotes::Result;
use mlnotes::prelude::*;

/// One workload: the data made ready once, then the part that is timed.
type Workload = Box<dyn Fn() -> Result<Vec<f64>>>;

const WORKLOADS: [(&str, &str); 2] = [("perceptron", "iris_20_epochs"), ("mlp", "iris_50_epochs")];

fn workload(topic: &str, name: &str) -> Result<Option<Workload>> {
    Ok(match (topic, name) {
        ("perceptron", "iris_20_epochs") => Some(perceptron()?),
        ("mlp", "iris_50_epochs") => Some(mlp()?),
        _ => None,
    })
}

/// The notes' training: every epoch is run, though setosa's unit is done after a few.
fn perceptron() -> Result<Workload> {
    let iris = iris();
    let split = train_test_split(&iris.features, &iris.targets, 0.2, 42)?;
    let options = Perceptron::new().learning_rate(0.1).epochs(20).start_uniform(42).early_stop(false);
    Ok(Box::new(move || {
        let model = options.fit_one_vs_rest(black_box(&split.x_train), &split.y_train)?;
        Ok(model.weights().into_iter().collect())
    }))
}

/// 4 → 16 → 3 units, tanh, batches of 16, from given weights.
fn mlp() -> Result<Workload> {
    let iris = iris();
    let x = Standardizer::fit(&iris.features)?.transform(&iris.features)?;
    let network = Mlp::new(&[4, 16, 3]).seed(1).build()?;
    let options = Sgd::new().learning_rate(0.05).momentum(0.9).batch_size(16).epochs(50).seed(2);
    Ok(Box::new(move || {
        let trained = options.fit(black_box(&network), &x, &iris.targets)?;
        let parameters = trained.layers().iter().flat_map(|layer| layer.weights().iter().chain(layer.bias()));
        Ok(parameters.copied().collect())
    }))
}

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--serve") {
        for (topic, name) in WORKLOADS {
            println!("{topic} {name}");
        }
        return Ok(());
    }
    for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (command, topic, name) = match words[..] {
            [command, topic, name, ..] => (command, topic, name),
            _ => continue,
        };
        let Some(run) = workload(topic, name)? else {
            println!("error no workload {topic} {name}");
            continue;
        };
        if command == "answer" {
            let numbers: Vec<String> = run()?.iter().map(|number| format!("{number:?}")).collect();
            println!("{}", numbers.join(" "));
        } else {
            let count: u32 = words.get(3).and_then(|count| count.parse().ok()).unwrap_or(1).max(1);
            let start = Instant::now();
            for _ in 0..count {
                black_box(run()?);
            }
            println!("{}", start.elapsed().as_secs_f64() * 1e3 / f64::from(count));
        }
    }
    Ok(())
}
