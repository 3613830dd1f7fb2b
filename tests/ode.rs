//! Neural differential equations: torchdiffeq, finite differences, closed forms, the matrix exponential, and the two
//! gradients against each other.

use mlnotes::prelude::*;
use mlnotes::ssm::lti::{Continuous, expm};
use mlnotes::ssm::ode::{OdeGradient, RungeKutta, TanhField, VectorField};

use crate::{assert_close, message};

const METHODS: [RungeKutta; 2] = [RungeKutta::Classical, RungeKutta::ThreeEighths];

type Gradient = fn(
    RungeKutta,
    &dyn VectorField,
    &ndarray::ArrayRef1<f64>,
    &ndarray::ArrayRef1<f64>,
    usize,
    &ndarray::ArrayRef2<f64>,
) -> Result<OdeGradient>;

const GRADIENTS: [Gradient; 2] = [RungeKutta::backpropagate, RungeKutta::adjoint];

fn linear(a: Array2<f64>) -> TanhField {
    let n = a.nrows();
    TanhField::new(a, Array2::zeros((n, 0)), Array2::zeros((0, n)), array![]).unwrap()
}

/// x₀′ = θ₀ x₁ cos t, x₁′ = −θ₁ x₀ x₁ + t: not autonomous, not linear.
struct Clocked([f64; 2]);

impl VectorField for Clocked {
    fn dimension(&self) -> usize {
        2
    }
    fn parameter_count(&self) -> usize {
        2
    }
    fn value(&self, x: &[f64], t: f64, slope: &mut [f64]) {
        slope[0] = self.0[0] * x[1] * t.cos();
        slope[1] = -self.0[1] * x[0] * x[1] + t;
    }
    fn vjp(&self, x: &[f64], t: f64, adjoint: &[f64], of_x: &mut [f64], of_parameters: &mut [f64]) {
        of_x[0] -= self.0[1] * x[1] * adjoint[1];
        of_x[1] += self.0[0] * t.cos() * adjoint[0] - self.0[1] * x[0] * adjoint[1];
        of_parameters[0] += x[1] * t.cos() * adjoint[0];
        of_parameters[1] -= x[0] * x[1] * adjoint[1];
    }
}

struct Case {
    reference: Reference,
    field: TanhField,
    initial: Array1<f64>,
    times: Array1<f64>,
    weights: Array2<f64>,
}

fn case() -> Case {
    let reference = Reference::load("ode", "field").unwrap();
    let matrix = |name: &str| reference.array::<ndarray::Ix2>(name).unwrap();
    let vector = |name: &str| reference.array::<ndarray::Ix1>(name).unwrap();
    let field = TanhField::new(matrix("a"), matrix("v"), matrix("w"), vector("b")).unwrap();
    let (initial, times, weights) = (vector("initial"), vector("times"), matrix("weights"));
    Case { field, initial, times, weights, reference }
}

/// Of ℓ = Σ w sin x.
fn of_sines(case: &Case, method: RungeKutta, steps: usize, gradient: Gradient) -> OdeGradient {
    let states = method.solve(&case.field, &case.initial, &case.times, steps).unwrap();
    let slopes = &case.weights * &states.mapv(f64::cos);
    gradient(method, &case.field, &case.initial, &case.times, steps, &slopes).unwrap()
}

fn furthest(one: &OdeGradient, other: &OdeGradient) -> f64 {
    let parts = one.initial.iter().chain(&one.parameters).zip(other.initial.iter().chain(&other.parameters));
    parts.fold(0.0, |m: f64, (x, y)| if (x - y).is_nan() { f64::NAN } else { m.max((x - y).abs()) })
}

/// Planted: W's slope without tanh′; g_k of the time before; the sign of λ′; the 3/8 rule with the classical weights.
#[test]
fn states_and_gradients_are_torchdiffeqs() {
    let case = case();
    for steps in [2, 8, 32] {
        let states = RungeKutta::ThreeEighths.solve(&case.field, &case.initial, &case.times, steps).unwrap();
        assert_close(&states, &case.reference.array(&format!("{steps}_states")).unwrap(), 1e-12);
        for (way, gradient) in ["through", "adjoint"].into_iter().zip(GRADIENTS) {
            let got = of_sines(&case, RungeKutta::ThreeEighths, steps, gradient);
            let vector = |name: &str| case.reference.array::<ndarray::Ix1>(&format!("{steps}_{way}_{name}")).unwrap();
            let matrix = |name: &str| case.reference.array::<ndarray::Ix2>(&format!("{steps}_{way}_{name}")).unwrap();
            // θ is laid out as A, V, W, b: a field made of the slopes has them as its parts.
            let parts = case.field.with_parameters(&got.parameters).unwrap();
            assert_close(&got.initial, &vector("initial"), 1e-11);
            assert_close(&parts.b(), &vector("b"), 1e-11);
            for (name, part) in [("a", parts.a()), ("v", parts.v()), ("w", parts.w())] {
                assert_close(&part, &matrix(name), 1e-11);
            }
        }
    }
}

/// SciPy's solver of order 8 is 1e-13 off at most. Half the step, a sixteenth of the error.
///
/// Planted: the 3/8 rule with the classical weights; h/3 for h/2 before the third stage.
#[test]
fn the_solution_is_of_order_four() {
    let case = case();
    let exact = case.reference.array::<ndarray::Ix2>("exact").unwrap();
    for method in METHODS {
        let error = |steps| {
            let states = method.solve(&case.field, &case.initial, &case.times, steps).unwrap();
            (&states - &exact).iter().fold(0.0, |m: f64, x| m.max(x.abs()))
        };
        let errors = [32, 64, 128].map(error);
        let orders = [(errors[0] / errors[1]).log2(), (errors[1] / errors[2]).log2()];
        assert!(errors[2] < 2e-9 && orders.iter().all(|order| (order - 4.0).abs() < 0.2), "{errors:?} {orders:?}");
    }
}

/// The two gradients tend to each other as h⁴, and so does each to the gradient of the solution.
///
/// Planted: a_ij for a_ji; g_k of the time before; x not started afresh.
#[test]
fn the_adjoint_method_agrees_with_backpropagation() {
    let case = case();
    for method in METHODS {
        let finest = of_sines(&case, method, 1024, RungeKutta::backpropagate);
        let at = |steps| {
            let [through, adjoint] = GRADIENTS.map(|gradient| of_sines(&case, method, steps, gradient));
            [furthest(&through, &adjoint), furthest(&through, &finest), furthest(&adjoint, &finest)]
        };
        let (coarse, fine) = (at(32), at(64));
        for (coarse, fine) in coarse.into_iter().zip(fine) {
            let order = (coarse / fine).log2();
            assert!((order - 4.0).abs() < 0.3 && fine < 1e-7, "{method:?}: {coarse:e} {fine:e}, order {order}");
        }
    }
}

/// With time in the law, and the loss looking at every time. Central differences, extrapolated once: (4 D(h/2) − D(h)) / 3.
///
/// Planted: c_{i+1} for c_i on the way back.
#[test]
fn the_gradient_is_the_slope() {
    let (initial, times) = (array![0.7, -0.4], array![-1.0, -0.2, 0.1, 1.5]);
    let weights: Array2<f64> = RandomState::new(3).normal_array((4, 2));
    for method in METHODS {
        let loss = |p: [f64; 4]| {
            let states = method.solve(&Clocked([p[2], p[3]]), &array![p[0], p[1]], &times, 5).unwrap();
            (&weights * &states.mapv(f64::sin)).sum()
        };
        let at = [initial[0], initial[1], 1.3, 0.6];
        let field = Clocked([at[2], at[3]]);
        let slopes = &weights * &method.solve(&field, &initial, &times, 5).unwrap().mapv(f64::cos);
        let got = method.backpropagate(&field, &initial, &times, 5, &slopes).unwrap();
        for (i, &want) in got.initial.iter().chain(&got.parameters).enumerate() {
            let difference = |h: f64| {
                let moved = |h: f64| loss([0, 1, 2, 3].map(|j| at[j] + if i == j { h } else { 0.0 }));
                (moved(h) - moved(-h)) / (2.0 * h)
            };
            let slope = (4.0 * difference(5e-4) - difference(1e-3)) / 3.0;
            assert!((slope - want).abs() < 1e-9, "{method:?} {i}: {slope} {want}");
        }
        // The adjoint method finds the slope of the solution, which these steps are near.
        let adjoint = |steps| {
            let slopes = &weights * &method.solve(&field, &initial, &times, steps).unwrap().mapv(f64::cos);
            let gradient = |way: Gradient| way(method, &field, &initial, &times, steps, &slopes).unwrap();
            furthest(&gradient(RungeKutta::backpropagate), &gradient(RungeKutta::adjoint))
        };
        let order = (adjoint(40) / adjoint(80)).log2();
        assert!((order - 4.0).abs() < 0.3 && adjoint(80) < 1e-7, "{method:?}: {order} {:e}", adjoint(80));
    }
}

/// The tanh field's own products, by differences of its value.
#[test]
fn the_products_are_those_of_the_jacobian() {
    let case = case();
    let (n, count) = (case.field.dimension(), case.field.parameter_count());
    assert_eq!((n, count), (3, 9 + 12 + 12 + 4));
    let adjoint = [0.3, -1.1, 0.8];
    let (mut of_x, mut of_parameters) = (vec![1.0; n], vec![2.0; count]);
    case.field.vjp(&case.initial.to_vec(), 0.0, &adjoint, &mut of_x, &mut of_parameters);
    let along = |field: &TanhField, x: &Array1<f64>| {
        let mut slope = [0.0; 3];
        field.value(&x.to_vec(), 0.0, &mut slope);
        slope.iter().zip(adjoint).map(|(slope, adjoint)| slope * adjoint).sum::<f64>()
    };
    let difference = |value: &dyn Fn(f64) -> f64| {
        let d = |h: f64| (value(h) - value(-h)) / (2.0 * h);
        (4.0 * d(5e-4) - d(1e-3)) / 3.0
    };
    for i in 0..n {
        let slope = difference(&|h| {
            let mut x = case.initial.clone();
            x[i] += h;
            along(&case.field, &x)
        });
        assert!((of_x[i] - 1.0 - slope).abs() < 1e-10, "it adds to what was there");
    }
    for i in 0..count {
        let slope = difference(&|h| {
            let mut parameters = case.field.parameters().clone();
            parameters[i] += h;
            along(&case.field.with_parameters(&parameters).unwrap(), &case.initial)
        });
        assert!((of_parameters[i] - 2.0 - slope).abs() < 1e-10);
    }
}

/// Without hidden units it is the linear model of `lti`: e^{tA}, and its slope d(gᵀ e^{tA} x)/dA by an exponential of twice
/// the size, as in `lssl`.
#[test]
fn a_linear_field_is_the_exponential() {
    let a = array![[0.0, 1.0, 0.0], [-4.0, -0.4, 0.3], [0.1, 0.0, -1.0]];
    let (initial, times) = (array![1.0, -0.5, 2.0], array![0.0, 0.7, 0.9, 2.4]);
    let states = RungeKutta::Classical.solve(&linear(a.clone()), &initial, &times, 300).unwrap();
    let none = Array2::zeros((3, 1));
    let body = Continuous::new(a.clone(), none.clone(), Array2::eye(3), none).unwrap();
    let path = body.simulate(&initial, &Array2::zeros((3, 1)), &array![0.7, 0.2, 1.5]).unwrap();
    assert_close(&states.slice(s![1.., ..]), &path.states, 1e-9);
    assert_close(&states.row(3), &expm(&(&a * 2.4)).unwrap().dot(&initial), 1e-9);

    let slopes = array![[0.0; 3], [0.0; 3], [0.0; 3], [0.3, 1.0, -2.0]];
    let g = slopes.row(3);
    let mut block = Array2::zeros((6, 6));
    for first in [0, 3] {
        block.slice_mut(s![first..first + 3, first..first + 3]).assign(&(&a.t() * 2.4));
    }
    for i in 0..3 {
        for j in 0..3 {
            block[[i, j + 3]] = g[i] * initial[j];
        }
    }
    let e = expm(&block).unwrap();
    for gradient in GRADIENTS {
        let got = gradient(RungeKutta::Classical, &linear(a.clone()), &initial, &times, 300, &slopes).unwrap();
        assert_close(&got.initial, &e.slice(s![..3, ..3]).dot(&g), 1e-8);
        let of_a = Array2::from_shape_vec((3, 3), got.parameters.to_vec()).unwrap();
        assert_close(&of_a, &(&e.slice(s![..3, 3..]) * 2.4), 1e-8);
    }
    // As V goes to zero, so does what it adds.
    let off = |size: f64| {
        let (v, w, b) =
            (Array2::from_elem((3, 2), size), Array2::eye(3).slice(s![..2, ..]).to_owned(), array![0.1, 0.2]);
        let field = TanhField::new(a.clone(), v, w, b).unwrap();
        let states_with = RungeKutta::Classical.solve(&field, &initial, &times, 300).unwrap();
        (&states_with - &states).iter().fold(0.0, |m: f64, x| m.max(x.abs()))
    };
    assert_eq!(off(0.0), 0.0);
    assert!((off(1e-4) / off(1e-5) - 10.0).abs() < 1e-2);
}

/// x₀ forgets where it began, at a rate of 8, and x₁ adds it up. Over one long interval an error of x₀ grows by e^48 on the way
/// back, and x₁'s slopes, which do not shrink, meet it. Times in between help, since x starts afresh at each.
///
/// Planted: x not started afresh.
#[test]
fn errors_grow_back() {
    let a = array![[-8.0, 0.0], [1.0, 0.0]];
    let forgets = TanhField::new(a, array![[1.0], [0.0]], array![[0.0, 0.0]], array![1.0]).unwrap();
    let off = |times: Array1<f64>, steps| {
        let mut slopes = Array2::zeros((times.len(), 2));
        slopes[[times.len() - 1, 1]] = 1.0;
        let [through, adjoint] = GRADIENTS.map(|gradient| {
            gradient(RungeKutta::Classical, &forgets, &array![1.0, 0.0], &times, steps, &slopes).unwrap()
        });
        furthest(&through, &adjoint)
    };
    let (alone, helped) = (off(array![0.0, 6.0], 240), off(Array1::linspace(0.0, 6.0, 61), 4));
    assert!(alone > 1.0, "{alone:e}");
    assert!(helped < 1e-4, "{helped:e}");
}

/// On a linear law the two methods are one: the same four terms of the exponential's series.
#[test]
fn one_time_one_step_and_steps_that_join() {
    let case = case();
    for method in METHODS {
        let now = array![2.0];
        assert_eq!(method.solve(&case.field, &case.initial, &now, 1).unwrap().row(0), case.initial);
        for gradient in GRADIENTS {
            let got = gradient(method, &case.field, &case.initial, &now, 1, &array![[1.0, 2.0, 3.0]]).unwrap();
            assert_eq!((got.initial, got.parameters), (array![1.0, 2.0, 3.0], Array1::zeros(37)));
        }
        // More times, fewer steps between them: the same steps.
        let long = method.solve(&case.field, &case.initial, &array![0.0, 1.0], 8).unwrap();
        let short = method.solve(&case.field, &case.initial, &Array1::linspace(0.0, 1.0, 9), 1).unwrap();
        assert_close(&long.row(1), &short.row(8), 1e-14);
    }
    let one = METHODS.map(|method| {
        method.solve(&linear(array![[0.3, 2.0], [-1.0, 0.1]]), &array![1.0, 2.0], &array![0.0, 0.5], 1).unwrap()
    });
    assert_close(&one[0], &one[1], 1e-14);
}

/// Wrong on purpose: NaN for a slope, or for a product.
struct Broken {
    value: f64,
    product: f64,
    dimension: usize,
}

impl VectorField for Broken {
    fn dimension(&self) -> usize {
        self.dimension
    }
    fn parameter_count(&self) -> usize {
        0
    }
    fn value(&self, _: &[f64], _: f64, slope: &mut [f64]) {
        slope.fill(self.value);
    }
    fn vjp(&self, _: &[f64], _: f64, _: &[f64], of_x: &mut [f64], _: &mut [f64]) {
        of_x.fill(self.product);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (a, v, w, b) = (array![[-1.0]], array![[1.0]], array![[1.0]], array![0.0]);
    let none = Array2::zeros((0, 0));
    assert!(message(TanhField::new(none.clone(), none.clone(), none, array![])).contains("dimension"));
    assert!(message(TanhField::new(array![[1.0, 2.0]], v.clone(), w.clone(), b.clone())).contains("`a`"));
    assert!(message(TanhField::new(a.clone(), array![[1.0, 2.0]], w.clone(), b.clone())).contains("`v`"));
    assert!(message(TanhField::new(a.clone(), v.clone(), array![[1.0], [2.0]], b.clone())).contains("`w`"));
    assert!(message(TanhField::new(a.clone(), v.clone(), w.clone(), array![f64::NAN])).contains("`b`"));
    assert!(message(TanhField::new(a.clone(), array![[f64::INFINITY]], w.clone(), b.clone())).contains("`v`"));
    let field = TanhField::new(a, v, w, b).unwrap();
    assert!(message(field.with_parameters(&Array1::zeros(3))).contains("(4)"));
    assert!(message(field.with_parameters(&Array1::from_elem(4, f64::NAN))).contains("parameters"));

    let (initial, times, slopes) = (array![1.0], array![0.0, 1.0], array![[0.0], [1.0]]);
    for method in METHODS {
        let solve = |initial: &Array1<f64>, times: &Array1<f64>, steps| method.solve(&field, initial, times, steps);
        assert!(message(solve(&array![1.0, 2.0], &times, 1)).contains("initial"));
        assert!(message(solve(&array![f64::NAN], &times, 1)).contains("initial"));
        assert!(message(solve(&initial, &array![], 1)).contains("times"));
        assert!(message(solve(&initial, &array![0.0, f64::INFINITY], 1)).contains("times"));
        assert!(message(solve(&initial, &array![0.0, 1.0, 1.0], 1)).contains("increasing"));
        assert!(message(solve(&initial, &array![1.0, 0.0], 1)).contains("increasing"));
        assert!(message(solve(&initial, &times, 0)).contains("steps"));
        assert!(message(method.solve(&linear(array![[1e200]]), &initial, &times, 4)).contains("more steps"));
        let broken = |value, product, dimension| Broken { value, product, dimension };
        assert!(message(method.solve(&broken(f64::NAN, 0.0, 1), &initial, &times, 4)).contains("times 0 and 1"));
        assert!(message(method.solve(&broken(0.0, 0.0, 0), &array![], &times, 4)).contains("field"));
        let endless = method.backpropagate(&field, &initial, &times, usize::MAX, &slopes);
        assert!(message(endless).contains("memory"));
        for gradient in GRADIENTS {
            let refused = |times: &Array1<f64>, steps, slopes: &Array2<f64>| {
                message(gradient(method, &field, &initial, times, steps, slopes))
            };
            assert!(refused(&array![1.0, 0.0], 1, &slopes).contains("increasing"));
            assert!(refused(&times, 0, &slopes).contains("steps"));
            assert!(refused(&times, 1, &array![[1.0]]).contains("slopes"));
            assert!(refused(&times, 1, &array![[1.0, 1.0], [1.0, 1.0]]).contains("slopes"));
            assert!(refused(&times, 1, &array![[1.0], [f64::NAN]]).contains("slopes"));
            let grows = linear(array![[20.0]]);
            let large = gradient(method, &grows, &initial, &times, 9, &array![[0.0], [1e308]]);
            assert!(message(large).contains("slopes"));
            let broken = broken(0.0, f64::NAN, 1);
            assert!(message(gradient(method, &broken, &initial, &times, 4, &slopes)).contains("slopes"));
        }
    }
}
