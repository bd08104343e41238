// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * i2c-user: an I2C adapter whose chips are a program's. It speaks plain I2C, which i2c-stub does not, so what is
 * tested on it are the I2C_RDWR transfers of a real board, and the kernel's own drivers for the same chips.
 *
 * /dev/i2c-user, one program at a time:
 *   read   waits for a transfer: u32 serial number, then of each message u16 address, u16 flags, u16 length, and the
 *          bytes where it is written
 *   write  answers it: the serial number, s32 0 or a negative errno, then the bytes of all that was read
 * Without a program every address gives ENXIO, without an answer within a second a transfer gives ETIMEDOUT.
 */
#include <linux/fs.h>
#include <linux/i2c.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define LONGEST 8192

enum state { IDLE, ASKED, TAKEN, ANSWERED };

static DEFINE_MUTEX(lock);		/* what stands below */
static DECLARE_WAIT_QUEUE_HEAD(changed);
static enum state state;
static bool opened;
static u32 serial;
static struct i2c_msg *messages;
static int count, result;

static int user_xfer(struct i2c_adapter *adapter, struct i2c_msg *msgs, int num)
{
	int answer;

	mutex_lock(&lock);
	if (!opened) {
		mutex_unlock(&lock);
		return -ENXIO;
	}
	messages = msgs;
	count = num;
	serial++;
	state = ASKED;
	mutex_unlock(&lock);
	wake_up_all(&changed);

	wait_event_timeout(changed, READ_ONCE(state) == ANSWERED, adapter->timeout);

	mutex_lock(&lock);
	answer = state == ANSWERED ? result : -ETIMEDOUT;
	state = IDLE;
	messages = NULL;
	mutex_unlock(&lock);
	return answer < 0 ? answer : num;
}

static u32 user_functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | (I2C_FUNC_SMBUS_EMUL & ~I2C_FUNC_SMBUS_QUICK);
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = user_xfer,
	.functionality = user_functionality,
};

static struct i2c_adapter adapter = {
	.owner = THIS_MODULE,
	.name = "i2c-user test adapter",
	.algo = &algorithm,
};

static void put(u8 *to, size_t *at, const void *from, size_t size)
{
	if (*at + size <= LONGEST)
		memcpy(to + *at, from, size);
	*at += size;
}

static size_t question(u8 *to)
{
	size_t at = 0;
	int i;

	put(to, &at, &serial, sizeof(serial));
	for (i = 0; i < count; i++) {
		u16 head[3] = { messages[i].addr, messages[i].flags, messages[i].len };

		put(to, &at, head, sizeof(head));
		if (!(messages[i].flags & I2C_M_RD))
			put(to, &at, messages[i].buf, messages[i].len);
	}
	return at;
}

static ssize_t user_read(struct file *file, char __user *to, size_t room, loff_t *offset)
{
	u8 *text = kmalloc(LONGEST, GFP_KERNEL);
	ssize_t size;

	if (!text)
		return -ENOMEM;
	size = wait_event_interruptible(changed, READ_ONCE(state) == ASKED);
	if (!size) {
		mutex_lock(&lock);
		size = state == ASKED ? question(text) : -EAGAIN;
		if (size > LONGEST || size > (ssize_t)room)
			size = -EMSGSIZE;
		else if (size > 0)
			state = TAKEN;
		mutex_unlock(&lock);
	}
	if (size > 0 && copy_to_user(to, text, size))
		size = -EFAULT;
	kfree(text);
	return size;
}

/* Called with the lock. */
static int take_answer(const u8 *text, size_t size)
{
	size_t at = 8;
	s32 told;
	int i;

	if (size < at || state != TAKEN || memcmp(text, &serial, 4))
		return -ESTALE;
	memcpy(&told, text + 4, 4);
	for (i = 0; !told && i < count; i++) {
		if (!(messages[i].flags & I2C_M_RD))
			continue;
		if (at + messages[i].len > size)
			return -EINVAL;
		memcpy(messages[i].buf, text + at, messages[i].len);
		at += messages[i].len;
	}
	result = told;
	state = ANSWERED;
	return 0;
}

static ssize_t user_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	u8 *text;
	int refused;

	if (size > LONGEST)
		return -EMSGSIZE;
	text = memdup_user(from, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&lock);
	refused = take_answer(text, size);
	mutex_unlock(&lock);
	kfree(text);
	if (!refused)
		wake_up_all(&changed);
	return refused ? refused : size;
}

static __poll_t user_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &changed, table);
	return READ_ONCE(state) == ASKED ? EPOLLIN | EPOLLRDNORM : 0;
}

static int user_open(struct inode *inode, struct file *file)
{
	int refused = 0;

	mutex_lock(&lock);
	if (opened)
		refused = -EBUSY;
	opened = true;
	mutex_unlock(&lock);
	return refused;
}

static int user_release(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	opened = false;
	mutex_unlock(&lock);
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = user_read,
	.write = user_write,
	.poll = user_poll,
	.open = user_open,
	.release = user_release,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "i2c-user",
	.fops = &operations,
};

static int __init user_init(void)
{
	int failed = misc_register(&node);

	if (failed)
		return failed;
	adapter.timeout = HZ;
	failed = i2c_add_adapter(&adapter);
	if (failed)
		misc_deregister(&node);
	return failed;
}

static void __exit user_exit(void)
{
	i2c_del_adapter(&adapter);
	misc_deregister(&node);
}

MODULE_DESCRIPTION("I2C adapter answered by a program");
MODULE_LICENSE("Dual MIT/GPL");

module_init(user_init);
module_exit(user_exit);
