//! Activations element by element: x enters, y leaves; x and dy enter, dx leaves in dy's place.

use super::math::{erf, exp, sigmoid};
use crate::optim::wide;

/// sqrt(2 / pi) and the cubic's factor of the tanh form (Hendrycks and Gimpel 2016, section 2).
const C: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

wide! {
    /// x P(X <= x) for a standard normal X.
    pub fn gelu(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * (0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

wide! {
    /// dy/dx = P(X <= x) + x p(x).
    pub fn gelu_grad(x: &[f32], d: &mut [f32]) {
        for (d, &x) in d.iter_mut().zip(x) {
            let below = 0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2);
            let density = 0.398_942_3 * exp(-0.5 * x * x);
            *d *= below + x * density;
        }
    }
}

wide! {
    /// x (1 + tanh u) / 2 with u = c (x + a x^3), which is x sigmoid(2 u).
    pub fn gelu_tanh(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * sigmoid(2.0 * C * x * (1.0 + CUBIC * x * x));
        }
    }
}

wide! {
    /// With s = sigmoid(2 u): dy/dx = s + x s (1 - s) 2 u'.
    pub fn gelu_tanh_grad(x: &[f32], d: &mut [f32]) {
        for (d, &x) in d.iter_mut().zip(x) {
            let s = sigmoid(2.0 * C * x * (1.0 + CUBIC * x * x));
            let slope = 2.0 * C * (1.0 + 3.0 * CUBIC * x * x);
            *d *= s + x * s * (1.0 - s) * slope;
        }
    }
}

wide! {
    /// x sigmoid(x).
    pub fn silu(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * sigmoid(x);
        }
    }
}

wide! {
    /// dy/dx = s (1 + x (1 - s)).
    pub fn silu_grad(x: &[f32], d: &mut [f32]) {
        for (d, &x) in d.iter_mut().zip(x) {
            let s = sigmoid(x);
            *d *= s * (1.0 + x * (1.0 - s));
        }
    }
}

wide! {
    /// silu(gate) * up (Shazeer 2020).
    pub fn swiglu(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
            *y = g * sigmoid(g) * u;
        }
    }
}

wide! {
    /// The gradients of gate and up; the latter takes dy's place.
    pub fn swiglu_grad(gate: &[f32], up: &[f32], d_gate: &mut [f32], d: &mut [f32]) {
        for (((dg, d), &g), &u) in d_gate.iter_mut().zip(d).zip(gate).zip(up) {
            let s = sigmoid(g);
            *dg = *d * u * s * (1.0 + g * (1.0 - s));
            *d *= g * s;
        }
    }
}
