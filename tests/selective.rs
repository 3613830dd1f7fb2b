//! The selective scan: steps by hand, a convolution, finite differences, torch, the plain form against the fast one, and what
//! is refused.

use mlnotes::prelude::*;
use mlnotes::ssm::selective::{
    Element, Gradients, Inputs, Kept, Outputs, Shape, State, Step, Token, selective_scan, selective_scan_backward,
    selective_scan_backward_into, selective_scan_backward_kept, selective_scan_backward_stored, selective_scan_into,
    selective_scan_keeping, selective_scan_seq,
};
use rustfft::num_complex::Complex;

use crate::message;

fn shape(batch: usize, length: usize, channels: usize, state: usize) -> Shape {
    Shape { batch, length, channels, state }
}

/// What a scan of one kind of number reads.
#[derive(Clone)]
struct Example<E: Element> {
    shape: Shape,
    u: Vec<E::Real>,
    delta: Vec<E::Real>,
    a: Vec<E>,
    b: Vec<E>,
    c: Vec<E>,
    d: Option<Vec<E::Real>>,
    z: Option<Vec<E::Real>>,
    bias: Option<Vec<E::Real>>,
    initial: Option<Vec<E>>,
    softplus: bool,
}

impl<E: Element> Example<E> {
    fn inputs(&self) -> Inputs<'_, E> {
        let mut inputs = Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c).unwrap();
        inputs = self.d.as_ref().map_or(inputs, |d| inputs.d(d).unwrap());
        inputs = self.z.as_ref().map_or(inputs, |z| inputs.z(z).unwrap());
        inputs = self.bias.as_ref().map_or(inputs, |bias| inputs.delta_bias(bias).unwrap());
        inputs = self.initial.as_ref().map_or(inputs, |initial| inputs.initial(initial).unwrap());
        inputs.softplus(self.softplus)
    }
}

/// Which of D, z, bias with softplus, and initial state there are, as bits.
fn example(shape: Shape, parts: u32, seed: u32) -> Example<f64> {
    let mut random = RandomState::new(seed);
    let mut normal = |n: usize| random.normal_array(n).to_vec();
    let (sequence, states) = (shape.batch * shape.length * shape.channels, shape.batch * shape.channels * shape.state);
    let projection = shape.batch * shape.length * shape.state;
    let delta = normal(sequence);
    let softplus = parts & 4 != 0;
    Example {
        shape,
        u: normal(sequence),
        delta: if softplus { delta } else { delta.iter().map(|delta| 0.2 * delta.abs()).collect() },
        a: normal(shape.channels * shape.state).iter().map(|a| -a.exp()).collect(),
        b: normal(projection),
        c: normal(projection),
        d: (parts & 1 != 0).then(|| normal(shape.channels)),
        z: (parts & 2 != 0).then(|| normal(sequence)),
        bias: softplus.then(|| normal(shape.channels)),
        initial: (parts & 8 != 0).then(|| normal(states)),
        softplus,
    }
}

/// The same with imaginary parts.
fn complex(real: Example<f64>, seed: u32) -> Example<Complex<f64>> {
    let mut random = RandomState::new(seed);
    let mut with = |real: &Vec<f64>| -> Vec<Complex<f64>> {
        real.iter().map(|&re| Complex::new(re, 2.0 * random.normal())).collect()
    };
    Example {
        a: with(&real.a),
        b: with(&real.b),
        c: with(&real.c),
        initial: real.initial.as_ref().map(&mut with),
        shape: real.shape,
        u: real.u,
        delta: real.delta,
        d: real.d,
        z: real.z,
        bias: real.bias,
        softplus: real.softplus,
    }
}

#[track_caller]
fn assert_slices_close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{got} for {want} at {i}");
    }
}

/// Planted: exp(A) for exp(ΔA); h_{t−1} read out for h_t; the gate without z.
#[test]
fn two_steps_by_hand() {
    let silu = |z: f64| z / (1.0 + (-z).exp());
    let (a, b, c) = ([-1.0, -2.0], [1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 2.0, 1.0]);
    let (u, delta, d, z, initial) = ([3.0, -2.0], [0.1, 0.4], [0.7], [1.5, -0.5], [10.0, 20.0]);
    let first = [f64::exp(-0.1) * 10.0 + 0.1 * 1.0 * 3.0, f64::exp(-0.2) * 20.0 + 0.1 * 2.0 * 3.0];
    let second = [f64::exp(-0.4) * first[0] - 0.4 * 3.0 * 2.0, f64::exp(-0.8) * first[1] - 0.4 * 4.0 * 2.0];
    let want =
        [(0.5 * first[0] - first[1] + 0.7 * 3.0) * silu(1.5), (2.0 * second[0] + second[1] - 0.7 * 2.0) * silu(-0.5)];
    let inputs = Inputs::new(shape(1, 2, 1, 2), &u, &delta, &a, &b, &c).unwrap();
    let inputs = inputs.d(&d).unwrap().z(&z).unwrap().initial(&initial).unwrap();
    let outputs = selective_scan_seq(&inputs).unwrap();
    assert_slices_close(&outputs.y, &want, 1e-15);
    assert_slices_close(&outputs.last, &second, 1e-15);
}

/// A loss that weighs every output: Σ y w + Σ Re(conj(v) h_L).
fn loss<E: Element>(outputs: &Outputs<E>, w: &[E::Real], v: &[f64], flat: impl Fn(&[E]) -> Vec<f64>) -> f64 {
    let y: f64 = outputs.y.iter().zip(w).map(|(&y, &w)| y.into() * w.into()).sum();
    y + flat(&outputs.last).iter().zip(v).map(|(h, v)| h * v).sum::<f64>()
}

/// Parts of a complex number one after the other, and back.
fn flat(values: &[Complex<f64>]) -> Vec<f64> {
    values.iter().flat_map(|value| [value.re, value.im]).collect()
}

fn entries(values: &[f64]) -> Vec<Complex<f64>> {
    values.chunks_exact(2).map(|part| Complex::new(part[0], part[1])).collect()
}

/// (f(x + ε) − f(x − ε)) / 2ε for each entry, with the error of order ε² taken out by a second ε.
fn slopes(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let slope = |i: usize, step: f64| {
        let moved = |by: f64| {
            let mut x = x.to_vec();
            x[i] += by;
            f(&x)
        };
        (moved(step) - moved(-step)) / (2.0 * step)
    };
    (0..x.len()).map(|i| (4.0 * slope(i, 5e-4) - slope(i, 1e-3)) / 3.0).collect()
}

/// Planted: ∂u without Δ; softplus' slope left out; A's gradient with h_t for h_{t−1}; g not started with `dlast`; SiLU′ without
/// its second term; the conjugate of C left out, which real numbers do not show.
#[test]
fn gradients_are_slopes() {
    for parts in [0, 1, 2, 5, 15] {
        let example = example(shape(2, 5, 3, 2), parts, 3);
        let mut random = RandomState::new(4);
        let w = random.normal_array(30).to_vec();
        let v = random.normal_array(24).to_vec();
        real_slopes(&example, &w, &v[..12]);
        complex_slopes(&complex(example, 5), &w, &v);
    }
}

fn real_slopes(example: &Example<f64>, w: &[f64], v: &[f64]) {
    let got = selective_scan_backward_stored(&example.inputs(), w, Some(v)).unwrap();
    let check = |got: &[f64], x: &[f64], set: &dyn Fn(&mut Example<f64>, Vec<f64>)| {
        let f = |x: &[f64]| {
            let mut moved = example.clone();
            set(&mut moved, x.to_vec());
            loss(&selective_scan_seq(&moved.inputs()).unwrap(), w, v, |h| h.to_vec())
        };
        assert_slices_close(got, &slopes(x, f), 1e-8);
    };
    check(&got.u, &example.u, &|e, x| e.u = x);
    check(&got.delta, &example.delta, &|e, x| e.delta = x);
    check(&got.a, &example.a, &|e, x| e.a = x);
    check(&got.b, &example.b, &|e, x| e.b = x);
    check(&got.c, &example.c, &|e, x| e.c = x);
    let maybe = |got: &Option<Vec<f64>>, x: &Option<Vec<f64>>, set: &dyn Fn(&mut Example<f64>, Vec<f64>)| {
        assert_eq!(got.is_some(), x.is_some());
        if let (Some(got), Some(x)) = (got, x) {
            check(got, x, set);
        }
    };
    maybe(&got.d, &example.d, &|e, x| e.d = Some(x));
    maybe(&got.z, &example.z, &|e, x| e.z = Some(x));
    maybe(&got.delta_bias, &example.bias, &|e, x| e.bias = Some(x));
    maybe(&got.initial, &example.initial, &|e, x| e.initial = Some(x));
}

fn complex_slopes(example: &Example<Complex<f64>>, w: &[f64], v: &[f64]) {
    type Set<'a> = &'a dyn Fn(&mut Example<Complex<f64>>, Vec<f64>);
    let got: Gradients<Complex<f64>> = selective_scan_backward_stored(&example.inputs(), w, Some(&entries(v))).unwrap();
    let check = |got: &[f64], x: &[f64], set: Set| {
        let f = |x: &[f64]| {
            let mut moved = example.clone();
            set(&mut moved, x.to_vec());
            loss(&selective_scan_seq(&moved.inputs()).unwrap(), w, v, flat)
        };
        assert_slices_close(got, &slopes(x, f), 1e-8);
    };
    check(&got.u, &example.u, &|e, x| e.u = x);
    check(&got.delta, &example.delta, &|e, x| e.delta = x);
    check(&flat(&got.a), &flat(&example.a), &|e, x| e.a = entries(&x));
    check(&flat(&got.b), &flat(&example.b), &|e, x| e.b = entries(&x));
    check(&flat(&got.c), &flat(&example.c), &|e, x| e.c = entries(&x));
    if let (Some(got), Some(initial)) = (&got.initial, &example.initial) {
        check(&flat(got), &flat(initial), &|e, x| e.initial = Some(entries(&x)));
    }
    if let (Some(got), Some(z)) = (&got.z, &example.z) {
        check(got, z, &|e, x| e.z = Some(x));
    }
}

/// With B and C such that Ā, B̄, C of a complex pair make a real system: cos and sin.
#[test]
fn a_complex_state_is_a_damped_oscillation() {
    let (decay, frequency) = (0.1_f64, 0.7_f64);
    let a = [Complex::new(-decay, frequency)];
    let one = [Complex::new(1.0, 0.0); 20];
    let mut u = [0.0; 20];
    u[0] = 1.0;
    let inputs = Inputs::new(shape(1, 20, 1, 1), &u, &[1.0; 20], &a, &one, &one).unwrap();
    let y = selective_scan_seq(&inputs).unwrap().y;
    let want: Vec<f64> = (0..20).map(|t| 2.0 * (-decay * t as f64).exp() * (frequency * t as f64).cos()).collect();
    assert_slices_close(&y, &want, 1e-14);
}

#[test]
fn nothing_to_scan_leaves_the_state() {
    let initial = [1.0, 2.0];
    let inputs = Inputs::new(shape(1, 0, 1, 2), &[], &[], &[-1.0; 2], &[], &[]).unwrap().initial(&initial).unwrap();
    let outputs = selective_scan_seq(&inputs).unwrap();
    assert_eq!((outputs.y.len(), outputs.last), (0, vec![1.0, 2.0]));
    let none = Inputs::new(shape(0, 4, 1, 2), &[], &[], &[-1.0; 2], &[], &[]).unwrap();
    assert_eq!(selective_scan_seq(&none).unwrap(), Outputs { y: vec![], last: vec![] });
    let gradients = selective_scan_backward_stored(&inputs, &[], Some(&[3.0, 4.0])).unwrap();
    assert_eq!(gradients.initial, Some(vec![3.0, 4.0]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = [1.0];
    let new = |u, a, c| Inputs::new(shape(1, 1, 1, 1), u, &one, a, &one, c).map(|_| ());
    assert!(message(new(&[1.0, 2.0], &[-1.0], &one)).contains("`u` has the shape [2], but [1, 1, 1]"));
    assert!(message(new(&one, &[f64::NAN], &one)).contains("`a` holds NaN at [0, 0]"));
    assert!(message(new(&one, &[f64::NEG_INFINITY], &one)).contains("`a` holds -inf"));
    assert!(message(new(&one, &[-1.0], &[])).contains("`c`"));
    let of = |shape| Inputs::new(shape, &one, &one, &[-1.0], &one, &one).map(|_| ());
    assert!(message(of(shape(1, 1, 0, 1))).contains("at least one channel"));
    assert!(message(of(shape(1, 1, 1, 0))).contains("at least one state"));
    assert!(message(of(shape(usize::MAX, 2, 2, 1))).contains("small enough"));
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

impl Example<f64> {
    fn single(&self) -> Example<f32> {
        let maybe = |values: &Option<Vec<f64>>| values.as_deref().map(single);
        Example {
            shape: self.shape,
            u: single(&self.u),
            delta: single(&self.delta),
            a: single(&self.a),
            b: single(&self.b),
            c: single(&self.c),
            d: maybe(&self.d),
            z: maybe(&self.z),
            bias: maybe(&self.bias),
            initial: maybe(&self.initial),
            softplus: self.softplus,
        }
    }
}

/// All gradients under their names, complex ones as pairs.
fn named<E: Element>(
    of: &Gradients<E>,
    flat: fn(&[E]) -> Vec<f64>,
    real: fn(&[E::Real]) -> Vec<f64>,
) -> Vec<(&str, Vec<f64>)> {
    let mut all = vec![
        ("u", real(&of.u)),
        ("delta", real(&of.delta)),
        ("a", flat(&of.a)),
        ("b", flat(&of.b)),
        ("c", flat(&of.c)),
    ];
    all.extend(of.initial.as_ref().map(|values| ("initial", flat(values))));
    for (name, values) in [("d", &of.d), ("z", &of.z), ("delta_bias", &of.delta_bias)] {
        all.extend(values.as_ref().map(|values| (name, real(values))));
    }
    all
}

/// To a share of the largest: what a sum of so many terms of both signs can keep.
#[track_caller]
fn assert_near(name: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{name}");
    let scale = want.iter().fold(1.0, |scale: f64, want| scale.max(want.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * scale, "{name}: {got} for {want} at {i}");
    }
}

struct Torch {
    file: Reference,
    example: Example<f64>,
}

impl Torch {
    fn load(case: &str) -> Self {
        let file = Reference::load("selective", case).unwrap();
        let get = |name: &str| file.array::<ndarray::IxDyn>(name).unwrap();
        let maybe = |name: &str| file.array::<ndarray::IxDyn>(name).ok().map(|values| values.into_iter().collect());
        let all = |name: &str| get(name).into_iter().collect();
        let (u, a) = (get("u"), get("a"));
        let bias: Option<Vec<f64>> = maybe("delta_bias");
        let example = Example {
            shape: shape(u.shape()[0], u.shape()[1], u.shape()[2], a.shape()[1]),
            u: all("u"),
            delta: all("delta"),
            a: all("a"),
            b: all("b"),
            c: all("c"),
            d: maybe("d"),
            z: maybe("z"),
            initial: maybe("initial"),
            softplus: bias.is_some(),
            bias,
        };
        Self { example, file }
    }

    fn all(&self, name: &str) -> Vec<f64> {
        self.file.array::<ndarray::IxDyn>(name).unwrap().into_iter().collect()
    }

    fn check(&self, got: (Vec<f64>, Vec<f64>), gradients: Vec<(&str, Vec<f64>)>, tolerance: f64) {
        assert_near("y", &got.0, &self.all("y"), tolerance);
        assert_near("last", &got.1, &self.all("last"), tolerance);
        for (name, values) in gradients {
            assert_near(name, &values, &self.all(&format!("gradient_{name}")), tolerance);
        }
    }
}

/// Planted: the padding of a last block of channels left in its place; the tile's first state for the sequence's; a group's
/// gradient of B written instead of added.
#[test]
fn torch_gives_the_same() {
    for case in ["one", "plain", "gated", "everything", "short"] {
        let torch = Torch::load(case);
        let (dy, dlast) = (torch.all("dy"), torch.all("dlast"));
        let inputs = torch.example.inputs();
        let keep = |values: &[f64]| values.to_vec();
        for (outputs, gradients) in [
            (selective_scan_seq(&inputs), selective_scan_backward_stored(&inputs, &dy, Some(&dlast))),
            (selective_scan(&inputs, 2), selective_scan_backward(&inputs, &dy, Some(&dlast), 2)),
        ] {
            let (outputs, gradients) = (outputs.unwrap(), gradients.unwrap());
            torch.check((outputs.y, outputs.last), named(&gradients, keep, keep), 1e-12);
        }
        let example = torch.example.single();
        let outputs = selective_scan(&example.inputs(), 2).unwrap();
        let gradients = selective_scan_backward(&example.inputs(), &single(&dy), Some(&single(&dlast)), 2).unwrap();
        let got = (double(&outputs.y), double(&outputs.last));
        torch.check(got, named(&gradients, double, double), 3e-6);
    }
}

#[test]
fn torch_gives_the_same_for_complex_states() {
    let torch = Torch::load("complex");
    let of = &torch.example;
    // Pairs of real numbers have been read as rows of one entry too many.
    let example = Example {
        shape: Shape { state: entries(&of.a).len() / of.shape.channels, ..of.shape },
        a: entries(&of.a),
        b: entries(&of.b),
        c: entries(&of.c),
        initial: of.initial.as_deref().map(entries),
        u: of.u.clone(),
        delta: of.delta.clone(),
        d: of.d.clone(),
        z: of.z.clone(),
        bias: of.bias.clone(),
        softplus: of.softplus,
    };
    let (dy, dlast) = (torch.all("dy"), entries(&torch.all("dlast")));
    let inputs = example.inputs();
    for (outputs, gradients) in [
        (selective_scan_seq(&inputs), selective_scan_backward_stored(&inputs, &dy, Some(&dlast))),
        (selective_scan(&inputs, 2), selective_scan_backward(&inputs, &dy, Some(&dlast), 2)),
    ] {
        let (outputs, gradients) = (outputs.unwrap(), gradients.unwrap());
        let got = (outputs.y, flat(&outputs.last));
        torch.check(got, named(&gradients, flat, |values| values.to_vec()), 1e-12);
    }
}

/// Lengths around a tile's 32, channels around a vector's 8 and 16 and a part's 256.
const SHAPES: [[usize; 4]; 14] = [
    [1, 1, 1, 1],
    [2, 31, 7, 1],
    [1, 32, 8, 3],
    [3, 33, 9, 8],
    [1, 64, 16, 16],
    [2, 65, 17, 9],
    [1, 97, 31, 2],
    [5, 2, 33, 5],
    [40, 3, 4, 2],
    [1, 20, 259, 3],
    [2, 5, 520, 1],
    [1, 300, 3, 40],
    [0, 5, 3, 2],
    [2, 0, 3, 2],
];

/// Planted: one time too few in the last tile; ln 2 left out of Δ's gradient; the carried g of another block.
#[test]
fn fast_and_plain_forms_agree() {
    let mut random = RandomState::new(11);
    for (i, [batch, length, channels, state]) in SHAPES.into_iter().enumerate() {
        let example = example(shape(batch, length, channels, state), 15 - i as u32 % 16, i as u32);
        let inputs = example.inputs();
        let dy = random.normal_array(batch * length * channels).to_vec();
        let dlast = random.normal_array(batch * channels * state).to_vec();
        let (want, got) = (selective_scan_seq(&inputs).unwrap(), selective_scan(&inputs, 2).unwrap());
        assert_near("y", &got.y, &want.y, 1e-13);
        assert_near("last", &got.last, &want.last, 1e-13);
        for dlast in [None, Some(&dlast[..])] {
            let slow = selective_scan_backward_stored(&inputs, &dy, dlast).unwrap();
            let fast = selective_scan_backward(&inputs, &dy, dlast, 2).unwrap();
            let keep = |values: &[f64]| values.to_vec();
            for ((name, fast), (_, slow)) in named(&fast, keep, keep).into_iter().zip(named(&slow, keep, keep)) {
                assert_near(name, &fast, &slow, 1e-12);
            }
        }
        let rounded = example.single();
        let of_rounded = selective_scan(&rounded.inputs(), 2).unwrap();
        assert_near("y in f32", &double(&of_rounded.y), &want.y, 3e-6);
    }
}

/// Planted: parts cut by the number of threads.
#[test]
fn the_number_of_threads_changes_nothing() {
    for [batch, length, channels, state] in [[1, 70, 150, 4], [3, 40, 40, 3], [70, 5, 20, 2]] {
        let example = example(shape(batch, length, channels, state), 15, 2).single();
        let (inputs, dy) = (example.inputs(), vec![1.0_f32; batch * length * channels]);
        let one = (selective_scan(&inputs, 1).unwrap(), selective_scan_backward(&inputs, &dy, None, 1).unwrap());
        for threads in [2, 3, 8, 10_000] {
            assert_eq!(selective_scan(&inputs, threads).unwrap(), one.0);
            assert_eq!(selective_scan_backward(&inputs, &dy, None, threads).unwrap(), one.1);
        }
    }
    let pairs = complex(example(shape(3, 40, 2, 2), 15, 2), 3);
    let dy = vec![1.0; 240];
    let gradients = |threads| selective_scan_backward(&pairs.inputs(), &dy, None, threads).unwrap();
    assert_eq!(selective_scan(&pairs.inputs(), 1).unwrap(), selective_scan(&pairs.inputs(), 3).unwrap());
    assert_eq!(gradients(1), gradients(3));
}

#[test]
fn slices_that_are_there_already_are_filled() {
    let example = example(shape(2, 40, 20, 3), 15, 8);
    let inputs = example.inputs();
    let want = selective_scan(&inputs, 1).unwrap();
    let (mut y, mut last) = (vec![f64::NAN; 1600], vec![f64::NAN; 120]);
    selective_scan_into(&inputs, 1, &mut y, Some(&mut last)).unwrap();
    assert_eq!((&y, &last), (&want.y, &want.last));
    y.fill(f64::NAN);
    selective_scan_into(&inputs, 1, &mut y, None).unwrap();
    assert_eq!(y, want.y);
    let mut gradients = selective_scan_backward(&inputs, &y, Some(&last), 1).unwrap();
    let again = gradients.clone();
    selective_scan_backward_into(&inputs, &y, Some(&last), 1, &mut gradients).unwrap();
    assert_eq!(gradients, again);

    assert!(message(selective_scan_into(&inputs, 1, &mut y[1..], Some(&mut last))).contains("`y`"));
    assert!(message(selective_scan_into(&inputs, 1, &mut y, Some(&mut last[1..]))).contains("`last`"));
    gradients.z = None;
    assert!(message(selective_scan_backward_into(&inputs, &y, None, 1, &mut gradients)).contains("Gradients::zeros"));
    let mut gradients = again;
    gradients.b.pop();
    assert!(message(selective_scan_backward_into(&inputs, &y, None, 1, &mut gradients)).contains("`gradients.b`"));
}

/// The threads are one pool for all who ask.
#[test]
fn callers_on_several_threads_all_get_their_own() {
    let examples: Vec<Example<f64>> = (0..4).map(|seed| example(shape(8, 40, 20, 3), 15, seed)).collect();
    let want: Vec<_> = examples.iter().map(|example| selective_scan(&example.inputs(), 1).unwrap()).collect();
    std::thread::scope(|scope| {
        for (example, want) in examples.iter().zip(&want) {
            scope.spawn(move || {
                for threads in [2, 3, 100] {
                    assert_eq!(selective_scan(&example.inputs(), threads).unwrap(), *want);
                }
            });
        }
    });
}

/// A forward pass that keeps states, then the backward pass that reads them: all as without.
fn keep<E: Element>(example: &Example<E>, threads: usize) {
    let (inputs, shape) = (example.inputs(), example.shape);
    let mut outputs = selective_scan(&inputs, threads).unwrap();
    let want = outputs.clone();
    let dy = outputs.y.clone();
    outputs.y.reverse();
    let mut kept = Kept::new(shape);
    selective_scan_keeping(&inputs, threads, &mut outputs.y, Some(&mut outputs.last), &mut kept).unwrap();
    assert_eq!(outputs, want, "{shape:?}");
    let mut gradients = Gradients::zeros(&inputs);
    selective_scan_backward_kept(&inputs, &kept, &dy, Some(&want.last), threads, &mut gradients).unwrap();
    assert_eq!(gradients, selective_scan_backward(&inputs, &dy, Some(&want.last), threads).unwrap(), "{shape:?}");
}

/// Planted: states kept at every second tile only; blocks of one part read for another's.
#[test]
fn kept_states_are_those_computed_anew() {
    for (i, length) in [0, 1, 31, 32, 33, 64, 65, 100].into_iter().enumerate() {
        for (batch, channels, state) in [(1, 1, 1), (3, 40, 5), (1, 70, 4)] {
            let example = example(shape(batch, length, channels, state), 15, i as u32);
            for threads in [1, 3] {
                keep(&example, threads);
                keep(&example.single(), threads);
                keep(&complex(example.clone(), 1), threads);
            }
        }
    }
    let example = example(shape(1, 40, 2, 3), 0, 1);
    let (inputs, other) = (example.inputs(), Kept::new(shape(1, 80, 2, 3)));
    let mut gradients = Gradients::zeros(&inputs);
    let refused = selective_scan_backward_kept(&inputs, &other, &example.u, None, 1, &mut gradients);
    assert!(message(refused).contains("length: 80"));
}

/// Where Δ, B and C do not change, y is a convolution with K_j = Σ_n C_n exp(j Δ A_n) Δ B_n, and the gradient by u its
/// mirror image.
///
/// Planted: B̄ = B.
#[test]
fn what_does_not_change_is_a_convolution() {
    let (length, a, b, c, delta) = (50, [-1.0, -0.3], [0.5, 2.0], [1.5, -1.0], 0.2_f64);
    let u = RandomState::new(6).normal_array(length).to_vec();
    let kernel: Vec<f64> =
        (0..length).map(|j| (0..2).map(|n| c[n] * (j as f64 * delta * a[n]).exp() * delta * b[n]).sum()).collect();
    let convolved =
        |x: &[f64]| -> Vec<f64> { (0..length).map(|t| (0..=t).map(|s| kernel[t - s] * x[s]).sum()).collect() };
    let (deltas, b, c) = (vec![delta; length], b.repeat(length), c.repeat(length));
    let inputs = Inputs::new(shape(1, length, 1, 2), &u, &deltas, &a, &b, &c).unwrap();
    assert_slices_close(&selective_scan_seq(&inputs).unwrap().y, &convolved(&u), 1e-14);
    assert_slices_close(&selective_scan(&inputs, 1).unwrap().y, &convolved(&u), 1e-14);
    let gradient = selective_scan_backward(&inputs, &u, None, 1).unwrap().u;
    let mut mirrored = convolved(&u.iter().rev().copied().collect::<Vec<_>>());
    mirrored.reverse();
    assert_slices_close(&gradient, &mirrored, 1e-14);
}

fn flow<E: Element>(example: &Example<E>, want: &Outputs<E>, flat: fn(&[E]) -> Vec<f64>, tolerance: f64) {
    let Shape { batch, length, channels, state } = example.shape;
    let mut step = Step::new(channels, state, &example.a).unwrap().softplus(example.softplus);
    step = example.d.as_ref().map_or(step.clone(), |d| step.d(d).unwrap());
    step = example.bias.as_ref().map_or(step.clone(), |bias| step.delta_bias(bias).unwrap());
    let mut now: State<E> = match &example.initial {
        Some(initial) => step.start_from(batch, initial).unwrap(),
        None => step.start(batch),
    };
    for t in 0..length {
        let at = |values: &[E::Real]| -> Vec<E::Real> {
            (0..batch).flat_map(|i| values[(i * length + t) * channels..][..channels].to_vec()).collect()
        };
        let of = |values: &[E]| -> Vec<E> {
            (0..batch).flat_map(|i| values[(i * length + t) * state..][..state].to_vec()).collect()
        };
        let z = example.z.as_deref().map(at);
        let (u, delta, b, c) = (at(&example.u), at(&example.delta), of(&example.b), of(&example.c));
        let mut y = at(&want.y);
        let wanted: Vec<f64> = y.iter().map(|&y| y.into()).collect();
        step.advance(&mut now, Token { u: &u, delta: &delta, b: &b, c: &c, z: z.as_deref() }, &mut y).unwrap();
        assert_near("y", &y.iter().map(|&y| y.into()).collect::<Vec<f64>>(), &wanted, tolerance);
    }
    assert_near("last", &flat(&step.states(&now)), &flat(&want.last), tolerance);
}

/// Planted: the state of the first sequence for all; a block of zeros before channels that do not fill one.
#[test]
fn steps_are_the_scan() {
    for (i, [batch, length, channels, state]) in SHAPES.into_iter().enumerate().take(10) {
        for parts in [i as u32, 15 - i as u32] {
            let real = example(shape(batch, length.min(40), channels, state), parts, 20 + i as u32);
            flow(&real, &selective_scan_seq(&real.inputs()).unwrap(), |h| h.to_vec(), 1e-13);
            flow(&real.single(), &selective_scan_seq(&real.single().inputs()).unwrap(), double, 3e-6);
            let pairs = complex(real, 1);
            flow(&pairs, &selective_scan_seq(&pairs.inputs()).unwrap(), flat, 1e-13);
        }
    }
}

#[test]
fn a_step_refuses_what_a_scan_does() {
    let step = Step::new(1, 1, &[-1.0]).unwrap();
    let mut state = step.start(1);
    let ok = Token { u: &[1.0], delta: &[1.0], b: &[1.0], c: &[1.0], z: None };
    let mut refused = |token| message(step.advance(&mut state, token, &mut [0.0]));
    assert!(refused(Token { u: &[f64::NAN], ..ok }).contains("`u` holds NaN at [0, 0]"));
    assert!(refused(Token { delta: &[-0.5], ..ok }).contains("`delta` is -0.5 at [0, 0] (with its bias)"));
    assert!(refused(Token { b: &[f64::INFINITY], ..ok }).contains("`b` holds inf"));
    assert!(refused(Token { c: &[], ..ok }).contains("`c` has the shape [0]"));
    assert!(refused(Token { z: Some(&[f64::NEG_INFINITY]), ..ok }).contains("`z` holds -inf"));
    assert!(message(step.start_from(1, &[f64::NAN])).contains("`states`"));
    let other = Step::new(20, 1, &[-1.0; 20]).unwrap();
    assert!(message(other.advance(&mut step.start(1), ok, &mut [0.0])).contains("`state`"));
    assert!(message(Step::new(1, 1, &[1.0])).contains("grows"));
    assert!(message(step.clone().d(&[f64::NAN])).contains("`d`"));
}

/// Every place where a value may be no number, in every form.
///
/// Planted: no look at Δ itself; none at the states where there is no time.
#[test]
fn values_that_are_no_numbers_are_refused() {
    let good = example(shape(1, 40, 20, 2), 15, 9);
    let dy = vec![1.0; 800];
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (name, place) in [("u", 799), ("delta", 3), ("b", 79), ("c", 0), ("z", 400), ("initial", 39)] {
            let mut example = good.clone();
            let values = match name {
                "u" => &mut example.u,
                "delta" => &mut example.delta,
                "b" => &mut example.b,
                "c" => &mut example.c,
                "z" => example.z.as_mut().unwrap(),
                _ => example.initial.as_mut().unwrap(),
            };
            values[place] = bad;
            let wanted = format!("`{name}` holds {bad} at [0, ");
            let (double, single) = (example.inputs(), example.single());
            let messages = [
                message(selective_scan_seq(&double)),
                message(selective_scan(&double, 1)),
                message(selective_scan(&single.inputs(), 2)),
                message(selective_scan_backward(&double, &dy, None, 2)),
                message(selective_scan_backward_stored(&double, &dy, None)),
                message(selective_scan_backward(&single.inputs(), &vec![1.0; 800], None, 1)),
            ];
            assert!(messages.iter().all(|message| message.starts_with(&wanted)), "{wanted} {messages:?}");
        }
        let mut slopes = dy.clone();
        slopes[5] = bad;
        assert!(message(selective_scan_backward(&good.inputs(), &slopes, None, 1)).contains("`dy` holds"));
        let mut last = vec![0.0; 40];
        last[39] = bad;
        assert!(message(selective_scan_backward(&good.inputs(), &dy, Some(&last), 1)).contains("`dlast` holds"));
    }
    let mut negative = example(shape(1, 40, 20, 2), 0, 9);
    negative.delta[25] = -1e-3;
    for result in [selective_scan_seq(&negative.inputs()), selective_scan(&negative.inputs(), 1)] {
        let message = message(result);
        assert!(message.contains("`delta` is -0.001 at [0, 1, 5]") && message.contains("softplus(true)"), "{message}");
    }
    let none = Inputs::new(shape(1, 0, 1, 1), &[], &[], &[-1.0], &[], &[]).unwrap().initial(&[f64::NAN]).unwrap();
    assert!(message(selective_scan(&none, 1)).contains("`initial` holds NaN"));
    assert!(message(selective_scan(&good.inputs(), 0)).contains("`threads`"));
    assert!(message(selective_scan_backward(&good.inputs(), &dy[1..], None, 1)).contains("`dy`"));
    assert!(message(selective_scan_backward(&good.inputs(), &dy, Some(&[1.0]), 1)).contains("`dlast`"));
}

#[test]
fn results_beyond_the_type_are_refused() {
    let one = [1.0_f32];
    let large = [1e30_f32];
    let inputs = Inputs::new(shape(1, 1, 1, 1), &large, &large, &[-1.0], &one, &one).unwrap();
    assert!(message(selective_scan_seq(&inputs)).contains("beyond the range"));
    assert!(message(selective_scan(&inputs, 1)).contains("beyond the range"));
    assert!(message(selective_scan_backward(&inputs, &[1e30], None, 1)).contains("beyond the range"));
}

/// exp(ΔA) alone: Δ = 1, u = 0, h_0 = 1. Down to the smallest normal number to 2 units in the last place and, as ΔA log₂ e is
/// rounded, one more per unit of |ΔA|; 0 below it; exactly 1 for A = 0.
///
/// Planted: a constant term of 1 + 1e-6; no bottom, so that the exponent wraps.
#[test]
fn decays_are_exponentials() {
    let a: Vec<f32> = (0..20_000).map(|i| -(i as f32) * 0.005).collect();
    let (zeros, ones) = (vec![0.0_f32; a.len()], vec![1.0_f32; a.len()]);
    let inputs = Inputs::new(shape(1, 1, a.len(), 1), &zeros, &ones, &a, &[1.0], &[1.0]).unwrap();
    let y = selective_scan(&inputs.initial(&ones).unwrap(), 1).unwrap().y;
    assert_eq!(y[0], 1.0);
    for (&a, &y) in a.iter().zip(&y) {
        let want = f64::from(a).exp();
        let tolerance = 1.2e-7 * (2.0 + f64::from(a.abs())) * want + 1.2e-38;
        assert!((f64::from(y) - want).abs() < tolerance, "{y} for {want} at {a}");
        assert!(a > -89.0 || y == 0.0);
    }
    let wide: Vec<f64> = (0..20_000).map(|i| -(f64::from(i)) * 0.05).collect();
    let (zeros, ones) = (vec![0.0; wide.len()], vec![1.0; wide.len()]);
    let inputs = Inputs::new(shape(1, 1, wide.len(), 1), &zeros, &ones, &wide, &[1.0], &[1.0]).unwrap();
    let y = selective_scan(&inputs.initial(&ones).unwrap(), 1).unwrap().y;
    for (&a, &y) in wide.iter().zip(&y) {
        let tolerance = 2.3e-16 * (2.0 + a.abs()) * a.exp() + 2.3e-308;
        assert!((y - a.exp()).abs() < tolerance, "{y} for {} at {a}", a.exp());
    }
}

/// softplus and SiLU from one end of f32 to the other: y = softplus(x) and y = SiLU(x) by choice of the rest.
#[test]
fn gates_and_steps_at_all_sizes() {
    let x: Vec<f32> = (-300..=300).map(|i| (i as f32 * 0.05).sinh()).chain([-1e30, 1e30, -0.0]).collect();
    let (zeros, ones) = (vec![0.0_f32; x.len()], vec![1.0_f32; x.len()]);
    let inputs = Inputs::new(shape(1, 1, x.len(), 1), &ones, &x, &zeros, &[1.0], &[1.0]).unwrap().softplus(true);
    for (&x, y) in x.iter().zip(selective_scan(&inputs, 1).unwrap().y) {
        let x = f64::from(x);
        let want = x.max(0.0) + (-x.abs()).exp().ln_1p();
        // As e^x is known where x is far below 0.
        let tolerance = 1.2e-7 * (3.0 + x.abs().min(100.0)) * want + 1.2e-38;
        assert!((f64::from(y) - want).abs() < tolerance, "{y} for {want} at {x}");
    }
    let inputs = Inputs::new(shape(1, 1, x.len(), 1), &ones, &ones, &zeros, &[1.0], &[1.0]).unwrap().z(&x).unwrap();
    for (&x, y) in x.iter().zip(selective_scan(&inputs, 1).unwrap().y) {
        let want = f64::from(x) / (1.0 + (-f64::from(x)).exp());
        assert!((f64::from(y) - want).abs() < 1e-6 * (want.abs() + 1e-3), "{y} for {want} at {x}");
    }
}

/// A long memory: a = e^(−1e-4), so that h is a sum over some 10,000 times, and errors of the decay would add up.
#[test]
fn long_sequences_do_not_drift() {
    let length = 100_000;
    let ones = vec![1.0_f32; length];
    let inputs = Inputs::new(shape(1, length, 1, 1), &ones, &ones, &[-1e-4_f32], &ones, &ones).unwrap();
    let outputs = selective_scan(&inputs, 2).unwrap();
    let decay = (-f64::from(1e-4_f32)).exp();
    for t in (0..length).step_by(997).chain([length - 1]) {
        let want = (1.0 - decay.powi(t as i32 + 1)) / (1.0 - decay);
        assert!((f64::from(outputs.y[t]) / want - 1.0).abs() < 1e-3, "{} for {want} at {t}", outputs.y[t]);
    }
    let gradients = selective_scan_backward(&inputs, &ones, None, 2).unwrap();
    assert!((f64::from(gradients.u[0]) / f64::from(outputs.y[length - 1]) - 1.0).abs() < 1e-4);
}
