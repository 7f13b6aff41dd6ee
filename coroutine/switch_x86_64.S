// SPDX-License-Identifier: Apache-2.0
//
// The switch for x86-64 (System V ABI, section 3.2.1: a call preserves rbx, rbp, r12 to r15, the
// control bits of mxcsr and the x87 control word).

#if defined(__x86_64__) && !defined(WEIR_SWITCH_UCONTEXT)

  .text

// void weir_internal_switch_stack(void **save, void *restore)
// void weir_internal_switch_alike(void **save, void *restore)
// They differ in how they go on.
  .macro define_switch name, alike
  .globl \name
  .type \name, @function
  .p2align 4
\name:
  .cfi_startproc
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  // Both stacks look alike from here on, so one description of the frame serves.
  .cfi_def_cfa_offset 64
  .cfi_offset %rbp, -16
  .cfi_offset %rbx, -24
  .cfi_offset %r12, -32
  .cfi_offset %r13, -40
  .cfi_offset %r14, -48
  .cfi_offset %r15, -56
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  .cfi_def_cfa_offset 8
  .if \alike
  // The processor remembers where it was called, and there it goes on, on the other stack.
  ret
  .else
  // A ret would be mispredicted: the processor remembers the other stack's caller.
  popq %rcx
  .cfi_def_cfa_offset 0
  .cfi_register %rip, %rcx
  notrack jmp *%rcx
  .endif
  .cfi_endproc
  .size \name, . - \name
  .endm

  define_switch weir_internal_switch_stack, 0
  define_switch weir_internal_switch_alike, 1

// void *weir_internal_switch_prepare(void *bottom, void *top, entry, void *argument)
  .globl weir_internal_switch_prepare
  .type weir_internal_switch_prepare, @function
  .p2align 4
weir_internal_switch_prepare:
  .cfi_startproc
  endbr64
  leaq -80(%rsi), %rax
  stmxcsr (%rax)
  fnstcw 4(%rax)
  movq $0, 8(%rax)    // r15
  movq $0, 16(%rax)   // r14
  movq %rcx, 24(%rax) // r13: the argument
  movq %rdx, 32(%rax) // r12: the entry function
  movq $0, 40(%rax)   // rbx
  movq $0, 48(%rax)   // rbp: the end of the chain of frames
  leaq first_frame(%rip), %rcx
  movq %rcx, 56(%rax)
  movq $0, 64(%rax)
  movq $0, 72(%rax)
  ret
  .cfi_endproc
  .size weir_internal_switch_prepare, . - weir_internal_switch_prepare

// The first frame of each stack: nobody called it, so debuggers stop here.
  .type first_frame, @function
  .p2align 4
first_frame:
  .cfi_startproc
  .cfi_undefined %rip
  endbr64
  movq %r13, %rdi
  // Like a call, but for the processor's memory of calls: nothing will ever return to it.
  leaq 1f(%rip), %rcx
  pushq %rcx
  .cfi_adjust_cfa_offset 8
  notrack jmp *%r12
1:
  ud2
  .cfi_endproc
  .size first_frame, . - first_frame

// Indirect branch tracking is prepared for; a shadow stack is not, so no property note claims it.
#endif

  .section .note.GNU-stack, "", @progbits
