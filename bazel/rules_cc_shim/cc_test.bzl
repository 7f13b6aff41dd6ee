# SPDX-License-Identifier: Apache-2.0
"""Bazel's native cc_test."""

cc_test = native.cc_test
